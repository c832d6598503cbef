#!/usr/bin/env node
// instructions.mjs: user-space instructions per write, read and delivery, against those in results/instructions.json: fails at +10 %.
//
//     node tests/bench/instructions.mjs [--record]
//
// Instructions, unlike times, are the same on a busy machine. One worker under callgrind serves a fixed number of requests, one at a time,
// and in another run more of one kind: the difference, over their number, is what one of that kind costs (so that start and end
// are no part of it). Supervisor and worker are added up; `ours` is what is executed in syncdocd itself, the rest in the libraries.
// Compilers differ: figures are kept by compiler, and where there are none the comparison is skipped, aloud. Without valgrind too.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './lib/build.mjs';
import { countInstructions, hasValgrind } from './lib/callgrind.mjs';
import { runLoad } from './lib/load.mjs';
import { SERVICE, documentPath } from './lib/servers.mjs';

const FILE = path.join(ROOT, 'tests/bench/results/instructions.json'),
	LIMIT = 1.1,
	SKIPPED = 77,
	TRIES = 3,
	FIRST = 50, // of each kind, in each run
	MORE = 600,
	EVENTS = 150,
	SUBSCRIBERS = 1000,
	PAD = 980; // 1 KB of data

const BODY = '{"data":{"at_ns":"%T","pad":"%P"}}';
const SETTINGS = { workers: 1, 'limits.per_address': 0, 'ws.rate': 100000, 'ws.burst': 100000, 'ws.ping_interval': 600, 'ring.size': '16MiB', worker_timeout: 60 };

const KINDS = {
	put: { more: MORE, options: { method: 'PUT', path: documentPath, body: BODY, size: PAD } },
	merge: { more: MORE, options: { method: 'PATCH', path: documentPath, body: '{"data":{"at_ns":"%T"}}' } },
	get: { more: MORE, options: { method: 'GET', path: documentPath } },
	event: {
		more: EVENTS,
		options: {
			method: 'PUT',
			path: documentPath,
			body: BODY,
			size: PAD,
			wsPath: '/v1/realtime',
			subscribers: SUBSCRIBERS,
			subscribe: `{"type":"subscribe","topic":"sync.${SERVICE}.updated"}`,
			ready: '"subscribed"',
			oneByOne: true,
		},
	},
};

const sum = costs => Object.values(costs).reduce((total, cost) => total + cost, 0);

function compiler() {
	const text = execFileSync('cc', ['--version'], { encoding: 'utf8' });
	return `${/^\S+/.exec(text)[0]} ${/\d+\.\d+/.exec(text)[0]} ${os.arch()}`;
}

async function measure(kind) {
	const costs = await countInstructions(SETTINGS, async daemon => {
		for (const [name, { more, options }] of Object.entries(KINDS)) {
			const figures = await runLoad({ port: daemon.port, publishers: 1, count: FIRST + (name === kind ? more : 0), ...options });
			if (figures.missing) throw new Error(`${figures.missing} deliveries are missing`);
		}
	});
	const byObject = {};
	for (const process of Object.values(costs)) for (const [object, cost] of Object.entries(process)) byObject[object] = (byObject[object] ?? 0) + cost;
	return byObject;
}

// {total, ours, libc.so: …} of one of that kind.
function difference(more, base, count) {
	const byObject = {};
	for (const [object, cost] of Object.entries(more)) {
		const each = Math.round((cost - (base[object] ?? 0)) / count);
		if (Math.abs(each) >= 10) byObject[object] = each;
	}
	const { syncdocd: ours = 0, ...libraries } = byObject;
	return { total: Math.round((sum(more) - sum(base)) / count), ours, ...libraries };
}

// What an event costs beyond its write, for each of its subscribers.
function delivery(event, put) {
	const each = key => Math.round(((event[key] ?? 0) - (put[key] ?? 0)) / SUBSCRIBERS);
	return { total: each('total'), ours: each('ours') };
}

async function measureAll() {
	const base = await measure(null),
		figures = {};
	for (const [kind, { more }] of Object.entries(KINDS)) figures[kind] = difference(await measure(kind), base, more);
	figures.delivery = delivery(figures.event, figures.put);
	delete figures.event;
	return figures;
}

const isWorse = (figure, recorded, key) => !(figure[key] <= recorded?.[key] * LIMIT);

// What timers do meanwhile is counted too, and a busy machine gives them more time: a figure that is too high is taken again.
async function measureAgainst(recorded) {
	const best = await measureAll();
	const tooHigh = () => Object.keys(best).some(kind => ['total', 'ours'].some(key => isWorse(best[kind], recorded[kind], key)));
	for (let tries = 1; tries < TRIES && tooHigh(); tries++)
		for (const [kind, figure] of Object.entries(await measureAll())) for (const key of ['total', 'ours']) best[kind][key] = Math.min(best[kind][key], figure[key]);
	return best;
}

function compare(figures, recorded) {
	let failures = 0;
	for (const [kind, figure] of Object.entries(figures))
		for (const key of ['total', 'ours']) {
			const before = recorded[kind]?.[key],
				ratio = figure[key] / before,
				isBad = isWorse(figure, recorded[kind], key);
			failures += isBad;
			const change = `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
			console.log(`${isBad ? 'not ok' : 'ok    '} ${kind.padEnd(9)} ${key.padEnd(6)} ${String(figure[key]).padStart(7)} instructions, recorded ${before}: ${change}`);
		}
	return failures;
}

if (!hasValgrind()) {
	console.log('SKIPPED: valgrind is not installed');
	process.exit(SKIPPED);
}
const all = fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, 'utf8')) : {};
const key = compiler();
const isRecording = process.argv[2] === '--record';
if (!isRecording && !all[key]) {
	console.log(`SKIPPED: no figures for ${key} in ${path.relative(ROOT, FILE)}; --record makes them`);
	process.exit(SKIPPED);
}
const figures = isRecording ? await measureAll() : await measureAgainst(all[key]);
if (isRecording) {
	all[key] = figures;
	fs.writeFileSync(FILE, `${JSON.stringify(all, null, '\t')}\n`);
	console.log(JSON.stringify(figures, null, '\t'));
} else process.exit(compare(figures, all[key]) ? 1 : 0);
