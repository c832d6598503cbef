// client_chaos.test.js: a short run of chaos.mjs whose subscribers are made of the JavaScript client: each disturbance once. In full:
// node chaos.mjs 60 --client 1
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from './chaos.mjs';

test('whoever is killed, stopped or restarted: the client is never behind without saying so', async t => {
	const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e6);
	const run = await chaos({ seconds: 10, seed, subscribers: 20, documents: 8, writers: 4, client: 1 });
	t.diagnostic(run.line);
	assert.deepEqual(run.violations.slice(0, 10), [], `${run.line}\n${run.disturbances.join(', ')}\n${run.daemon?.stderr.slice(-4000)}`);
	assert.equal(run.disturbed, 6, run.line);
	assert.ok(run.acknowledged.size > 100 && run.tally.replays + run.tally.snapshots > 0 && run.tally.events > 100, run.line);
});
