// reload.test.js: SIGHUP twice under load, small; tests/bench/reload.mjs runs the full size.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runReload } from '../bench/reload.mjs';

test('300 sockets and writers: everybody is told to go, resumes, and misses nothing', async t => {
	// drain_rate alone would reach 100 of the 300 before the clients' time to go begins.
	const { log, ...figures } = await runReload({ subscribers: 300, documents: 20, writers: 4, rate: 100, drainRate: 10, drainTimeout: 10 });
	t.diagnostic(JSON.stringify(figures));
	assert.deepEqual(figures.faults, [], log);
	assert.equal(figures.told, 300);
	assert.equal(figures.closedByServer, 0);
	assert.ok(figures.replayed > 0, 'some missed revisions, and got them');
});
