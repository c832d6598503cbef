// slow_sender.test.js: without limits.request_timeout a request may take long, but has to go on: 10 KiB in 30 seconds (workers/slow_sender.h).
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { documentPath, scrape, startPair, until } from './harness.js';

const PATIENCE_MS = 120000; // a period, and a busy machine
let pair;
before(async () => {
	pair = await startPair({ settings: { workers: 1, 'limits.request_timeout': 0 } });
});
after(() => pair?.stop());

const body = JSON.stringify({ data: { text: 'x'.repeat(60000) } });
const head = `PUT ${documentPath('slow', 'sent')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;

// Sends `first`, then `more` bytes of the body a second.
function open(first, more) {
	const socket = net.connect(pair.daemon.port, '127.0.0.1');
	const one = { socket, answer: '', sent: 0, start: Date.now() };
	socket.on('data', data => {
		one.answer += data.toString('latin1');
		one.afterMs ??= Date.now() - one.start;
	});
	socket.on('error', () => {});
	socket.on('close', () => {
		one.ended = true;
	});
	socket.write(first);
	one.timer = setInterval(() => {
		socket.write(body.slice(one.sent, one.sent + more));
		one.sent += more;
		if (one.sent >= body.length) clearInterval(one.timer);
	}, 1000);
	return one;
}

test('a head or body that does not go on is 408 and counted; one that goes on arrives', async () => {
	const length = `Content-Length: ${body.length}\r\n\r\n`;
	const silentHead = open(`${head}X-Name: `, 0);
	const slowBody = open(head + length, 20);
	const goesOn = open(head + length, 1500);
	try {
		await until(() => silentHead.ended && slowBody.ended && goesOn.answer, PATIENCE_MS, 'two refusals and an answer');
		for (const { answer, afterMs } of [silentHead, slowBody]) {
			assert.match(answer, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
			assert.ok(afterMs > 29000, `not after ${afterMs} ms`);
		}
		assert.match(goesOn.answer, /^HTTP\/1\.1 201 /);
		assert.ok(goesOn.afterMs > 30000, `longer than a period: ${goesOn.afterMs} ms`);
		assert.equal((await scrape(pair.rest)).value('syncdoc_requests_timed_out_total'), 2);
	} finally {
		for (const { socket, timer } of [silentHead, slowBody, goesOn]) {
			clearInterval(timer);
			socket.destroy();
		}
	}
});
