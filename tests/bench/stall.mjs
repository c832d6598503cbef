#!/usr/bin/env node
// stall.mjs: for how long does one request keep a worker from everybody else? The worst cases of large documents, each against the
// bar of 20 ms:
//
//   SYNCDOC_BUILD=…/build-release node tests/bench/stall.mjs [--times 3] [--only TEXT] [--bar 20]
//
// One worker, anew before each run (so nothing is cached), whose own meter is read: the longest turn of its loop
// (syncdoc_loop_turn_longest_seconds). The least of some runs counts: whatever else the machine does only adds to it. Ends with 1
// where a case is above the bar.
import assert from 'node:assert/strict';
import { startPair, scrape, turn, until } from '../e2e/harness.js';
import { CASES } from './lib/stall_cases.mjs';

const DEADLINE_MS = 120000,
	SETTLE_MS = 50; // a scrape that comes at once may be answered within the very turn that is measured
const options = { times: 3, only: '', bar: 20 };
for (let i = 2; i + 1 < process.argv.length; i += 2) {
	const name = process.argv[i].replace(/^--/, '');
	assert.ok(name in options, `unknown: ${process.argv[i]}`);
	options[name] = name === 'only' ? process.argv[i + 1] : Number(process.argv[i + 1]);
}

// A worker that has done nothing yet.
async function renew(daemon) {
	const before = daemon.workers().map(({ pid }) => pid);
	daemon.process.kill('SIGHUP');
	await until(
		async () => {
			const now = daemon.workers().map(({ pid }) => pid);
			return now.length === 1 && !before.includes(now[0]) && (await daemon.readiness()).status === 200;
		},
		DEADLINE_MS,
		'a new worker alone',
	);
}

async function measure(pair, name, one) {
	const turns = [];
	for (let i = 0; i < options.times; i++) {
		const id = `${Object.keys(CASES).indexOf(name)}_${i}`;
		const prepared = await one.prepare(pair, id);
		await renew(pair.daemon);
		const before = process.hrtime.bigint();
		const answer = await one.run(pair, id, prepared);
		const took = Number(process.hrtime.bigint() - before) / 1e6;
		assert.ok((one.statuses ?? [200, 201, 409, 413, 422]).includes(answer.status), `${name}: ${answer.status}`);
		await turn(SETTLE_MS);
		turns.push((await scrape(pair.rest)).value('syncdoc_loop_turn_longest_seconds') * 1000);
		measure.status = answer.status;
		measure.took = took;
	}
	return Math.min(...turns);
}

const pair = await startPair({
	settings: { workers: 1, 'documents.max_size': '1MiB', 'ring.size': '64MiB', 'documents.cache': '64MiB', 'limits.per_address': 0 },
});
let above = 0;
try {
	for (const [name, one] of Object.entries(CASES)) {
		if (!name.includes(options.only)) continue;
		const ms = await measure(pair, name, one);
		if (ms > options.bar) above++;
		console.log(`${ms.toFixed(1).padStart(7)} ms ${ms > options.bar ? '!' : ' '} ${name} (${measure.status}, answered in ${measure.took.toFixed(0)} ms)`);
	}
} finally {
	await pair.stop();
}
console.log(above ? `${above} above ${options.bar} ms` : `none above ${options.bar} ms`);
process.exit(above ? 1 : 0);
