// slow.test.js: clients that stop reading: they get the newest when they read again, and nobody else pays for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSlow } from '../bench/slow.mjs';
import { sanitizerEnvironment } from './harness.js';

const GROWN_MAX = 64 << 20;

// What is freed must not count: a sanitizer keeps it for a while.
sanitizerEnvironment.ASAN_OPTIONS += ':quarantine_size_mb=1:thread_local_quarantine_size_kb=64';

test('40 of 200 subscribers do not read: memory is bounded, readers get all, sleepers converge', async () => {
	// Larger than in the full run, for the kernel takes megabytes before our queue sees any.
	const figures = await runSlow({
		subscribers: 200,
		stalled: 40,
		rate: 500,
		seconds: 5,
		bytes: 8000,
		settings: { 'ring.size': '16MiB' },
	});
	assert.deepEqual(figures.faults, []);
	assert.equal(figures.delivered, (160 / 20) * figures.writes);
	assert.ok(figures.fullJoined >= 14, `events with fromRevision: ${figures.fullJoined}`);
	assert.equal(figures.fullResyncs, 0);
	// Diffs are small here: who asked for nothing else may have got them all from the kernel.
	assert.ok(figures.bothResyncs >= 13, `told to read again: ${figures.bothResyncs}`);
	assert.ok(figures.grownBytes < GROWN_MAX, `grown by ${figures.grownBytes} bytes`);
});
