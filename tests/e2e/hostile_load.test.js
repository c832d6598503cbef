// hostile_load.test.js: many hostile clients at once, in a small size: tests/bench/hostile.mjs has the full one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHostile } from '../bench/hostile.mjs';

test('slowloris, a flood of connections, big messages, header bombs and path tricks: who is served notices nothing', async () => {
	const { faults, delivered, phases } = await runHostile({
		halfOpen: 120,
		connections: 500,
		bigMessages: 40,
		bombs: 42,
		tricks: 400,
		slowReaders: 0,
		perAddress: 60,
		seconds: 3,
		requestTimeout: 1,
	});
	assert.deepEqual(faults, []);
	assert.ok(delivered > 0);
	assert.deepEqual(
		phases.map(phase => phase.name),
		['nothing', 'slowloris', 'flood', 'bigMessages', 'headerBombs', 'pathTricks'],
	);
});
