// fanout_io_uring.test.js: fanout.io_uring, on and off, and where it is not to be had. SYNCDOC_TEST_IO_URING=1 runs the other tests with it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { SYNCDOCD, assertStatus, documentPath, scrape, startPair, until } from './harness.js';

const SOCKETS = 40,
	REVISIONS = 25;
const isBuiltIn = fs.readFileSync(SYNCDOCD).includes('liburing.so');
const WARNING = /fanout\.io_uring: [^\n]+; sending without it/;

const usesRing = async daemon => (await scrape(daemon.rest)).value('syncdoc_io_uring', { worker: 0 }) === 1;

// Everybody is told of every revision of two documents, some by diffs, and each in order.
async function exercise(daemon, id) {
	const sockets = [];
	for (let i = 0; i < SOCKETS; i++) {
		const socket = await daemon.connect();
		await socket.subscribe({ topic: 'sync.ring.*', returnMode: ['full', 'diff', 'both'][i % 3] });
		sockets.push(socket);
	}
	const ids = [`${id}a`, `${id}b`];
	for (let revision = 1; revision <= REVISIONS; revision++)
		for (const one of ids) {
			const data = { revision, text: 'x'.repeat(revision * 300) }; // in one piece, and from 4 KiB on in several
			assertStatus(await daemon.rest.put(documentPath('ring', one), { data }), revision === 1 ? 201 : 200);
		}
	const wanted = Array.from({ length: REVISIONS }, (_, i) => i + 1);
	for (const socket of sockets) {
		await until(() => socket.events.length >= ids.length * REVISIONS);
		for (const one of ids)
			assert.deepEqual(
				socket.events.filter(event => event.payload.documentId === one).map(event => event.payload.revision),
				wanted,
			);
		socket.close();
	}
}

describe('fanout.io_uring', () => {
	test('everybody is told everything, with it or, where it is not to be had, without it and with a warning', async () => {
		const pair = await startPair({ settings: { 'fanout.io_uring': 'yes' } });
		try {
			const ring = await usesRing(pair.daemon);
			if (!isBuiltIn) assert.ok(!ring);
			assert.equal(WARNING.test(pair.daemon.stderr), !ring, pair.daemon.stderr);
			await exercise(pair.daemon, 'd');
			const figures = await scrape(pair.rest);
			assert.equal(figures.value('syncdoc_sends_gathered_total') > 0, ring);
			assert.equal(figures.value('syncdoc_deliveries_total'), SOCKETS * REVISIONS * 2);
			assert.ok(!/ended by|killed by/.test(pair.daemon.stderr), pair.daemon.stderr);
		} finally {
			await pair.stop();
		}
	});

	test('a reload turns it on and off', async () => {
		const pair = await startPair({ settings: { 'fanout.io_uring': undefined } });
		const { daemon } = pair;
		const reload = async text => {
			const before = daemon.workers().map(worker => worker.pid);
			fs.writeFileSync(daemon.configFile, text);
			daemon.process.kill('SIGHUP');
			await until(() => {
				const now = daemon.workers().map(worker => worker.pid);
				return now.length === before.length && !now.some(pid => before.includes(pid));
			});
			daemon.rest.close();
			daemon.rest = daemon.client();
			await daemon.waitUntilReady();
		};
		try {
			assert.ok(!(await usesRing(daemon)), 'no is the default');
			assert.doesNotMatch(daemon.stderr, WARNING);
			await reload('fanout { io_uring = yes }\n');
			const ring = (await scrape(daemon.rest)).samples('syncdoc_io_uring').some(sample => sample.value === 1);
			assert.equal(WARNING.test(daemon.stderr), !ring);
			await exercise(daemon, 'on');
			await reload('fanout { io_uring = no }\n');
			assert.ok((await scrape(daemon.rest)).samples('syncdoc_io_uring').every(sample => sample.value === 0));
			await exercise(daemon, 'off');
		} finally {
			await pair.stop();
		}
	});
});
