// slow_reader.test.js: answers that are not read, or hardly: fewer than 10 KiB in 10 seconds (workers/slow_reader.h).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertStatus, collectionPath, documentPath, openSocket, scrape, startPair, until } from './harness.js';

const DOCUMENTS = 80, // of 60 KB: a list of them is 4 MiB
	PATIENCE_MS = 60000; // two periods, and a busy machine
let pair;
before(async () => {
	pair = await startPair({ settings: { workers: 1 } });
	for (let i = 0; i < DOCUMENTS; i++)
		assertStatus(await pair.rest.put(documentPath('large', `d${i}`), { data: { text: 'x'.repeat(60000) } }), 201);
});
after(() => pair?.stop());

const ask = `GET ${collectionPath('large')}?data=true&page_size=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

function open(bytes, onData = () => {}) {
	const socket = openSocket(pair.daemon.port);
	const one = { socket, bytes: 0, head: '' };
	socket.on('data', data => {
		if (!one.head.includes('\r\n\r\n')) one.head += data.toString('latin1');
		one.bytes += data.length;
		onData(one);
	});
	socket.on('error', error => {
		one.error = error.code;
	});
	socket.on('close', () => {
		one.ended = true;
	});
	socket.write(bytes);
	return one;
}

const lengthOf = ({ head }) => Number(/content-length: (\d+)/i.exec(head)?.[1]);

test('who does not read is cut off and counted; who reads slowly gets everything', async () => {
	const sleeping = open(ask.repeat(4)); // one answer the kernel might take whole
	sleeping.socket.pause();
	// 64 KiB at most in 300 ms: longer than the two periods after which the other one is cut.
	const slow = open(ask, ({ socket, bytes }) => {
		if (bytes - slow.seen < 65536) return;
		slow.seen = bytes;
		socket.pause();
		setTimeout(() => socket.resume(), 300);
	});
	slow.seen = 0;
	const start = Date.now();
	await until(async () => (await scrape(pair.rest)).value('syncdoc_answers_cut_slow_total') === 1, PATIENCE_MS, 'the cut');
	assert.ok(Date.now() - start > 10000, 'not in the first period');
	sleeping.socket.resume();
	await until(() => sleeping.ended, undefined, 'the end of the one that slept');
	assert.ok(sleeping.bytes < 4 * 4e6, `${sleeping.bytes} bytes`);
	await until(() => slow.ended || slow.bytes >= slow.head.indexOf('\r\n\r\n') + 4 + lengthOf(slow), PATIENCE_MS, () => `${slow.bytes} bytes`);
	assert.ok(!slow.ended && lengthOf(slow) > 4e6, `${slow.error} ${slow.bytes}`);
	assert.equal((await scrape(pair.rest)).value('syncdoc_answers_cut_slow_total'), 1);
	slow.socket.destroy();
});
