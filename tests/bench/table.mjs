#!/usr/bin/env node
// table.mjs: the table of DESIGN.md section 12 from one run.
//
//     node tests/bench/table.mjs [--quick] [--json FILE] [row…]     rows: fanout idle write read strangers contention
//
// Servers and Redis run on CPU 0, clients on CPU 1. Each ratio is the median of the ratios of runs that followed each other. What is compared
// with and is not installed is skipped, and said so. Ends with 1 when a bar is missed or figures could not be taken.
import fs from 'node:fs';
import './lib/build.mjs';
import { fanoutRows, idleRow, strangersRow } from './lib/fanout_rows.mjs';
import { describeMachine, isQuiet, machineText } from './lib/machine.mjs';
import { contentionRow, readRow, writeRow } from './lib/request_rows.mjs';
import { number } from './lib/statistics.mjs';

const FULL = { rounds: 5, pacedCount: 500, busyCount: 500, idle: 10000, seconds: 4, calls: 100000, events: 5000 },
	QUICK = { rounds: 2, pacedCount: 100, busyCount: 100, idle: 3000, seconds: 1, calls: 20000, events: 1000 };
const PARTS = { fanout: fanoutRows, idle: idleRow, write: writeRow, read: readRow, strangers: strangersRow, contention: contentionRow };

function verdict({ skipped, failed, value, bar, aim, isMore }) {
	if (skipped) return 'SKIPPED';
	if (failed) return 'FAILED';
	const reaches = limit => (isMore ? value >= limit : value <= limit);
	return reaches(aim) ? 'aim met' : reaches(bar) ? 'bar met' : 'MISSED';
}

function show(row) {
	const sign = row.isMore ? '≥' : '≤';
	row.verdict = verdict(row);
	console.log(`${row.verdict.padEnd(8)} ${row.what}`);
	if (row.value !== undefined) console.log(`         ${number(row.value)}   bar ${sign} ${row.bar}, aim ${sign} ${row.aim}`);
	console.log(`         ${row.detail ?? row.skipped ?? row.failed}`);
}

async function runPart(name, options) {
	try {
		return [await PARTS[name](options)].flat();
	} catch (error) {
		return [{ what: name, failed: error.stack }];
	}
}

function readArguments() {
	const words = process.argv.slice(2);
	const options = { isQuick: false, json: null, parts: [] };
	while (words.length) {
		const word = words.shift();
		if (word === '--quick') options.isQuick = true;
		else if (word === '--json' && words.length) options.json = words.shift();
		else if (word in PARTS) options.parts.push(word);
		else {
			console.error(`table.mjs: ${word}: unknown; [--quick] [--json FILE] [${Object.keys(PARTS).join('|')}]…`);
			process.exit(2);
		}
	}
	if (!options.parts.length) options.parts = Object.keys(PARTS);
	return options;
}

const { isQuick, json, parts } = readArguments();
const machine = describeMachine();
console.log(machineText(machine));
if (!isQuiet()) console.log('NOT QUIET: other programs are running here, and have a part in every figure.');
if (isQuick) console.log('quick: short runs, for trying out.');
const rows = [];
for (const name of parts)
	for (const row of await runPart(name, isQuick ? QUICK : FULL)) {
		rows.push(row);
		show(row);
	}
if (json) fs.writeFileSync(json, `${JSON.stringify({ machine, isQuick, isQuiet: machine.load[0] < 0.7, rows }, null, '\t')}\n`);
process.exit(rows.some(row => row.verdict === 'MISSED' || row.verdict === 'FAILED') ? 1 : 0);
