// hostile_attack.mjs: what hostile.mjs does to a server, in a process of its own, so that it costs the server's time and not
// that of the clients whose latency is measured. Started by hostile.mjs with one attack as JSON; sends back what it saw.
import net from 'node:net';
import { CLOSE, TEXT, exchange, frame, handshake, hasWholeAnswer, parseAnswer, turn, until } from '../e2e/harness.js';

const HOST = 'Host: 127.0.0.1\r\n';
const BATCH = 250; // connections begun at once
const PATIENCE_MS = 60000;

function open(port, address, bytes) {
	const socket = net.connect({ host: '127.0.0.1', port, localAddress: address });
	const one = { socket, connected: false, ended: false };
	socket.on('connect', () => {
		one.connected = true;
		if (bytes) socket.write(bytes, 'latin1');
	});
	socket.on('error', () => {});
	socket.on('close', () => {
		one.ended = true;
	});
	socket.resume();
	return one;
}

// All begun, in batches: a burst above what the kernel queues would test the kernel.
async function openMany(count, openOne) {
	const all = [];
	while (all.length < count) {
		for (let i = 0; i < BATCH && all.length < count; i++) all.push(openOne(all.length));
		await until(() => all.every(one => one.connected || one.ended), PATIENCE_MS, 'connections');
	}
	return all;
}

/* ---- attacks: each resolves to figures ---- */

const beginnings = [
	'GET /liv',
	`GET /livez HTTP/1.1\r\n${HOST}X-Slow: `,
	`PUT /v1/services/hostile/documents/slow HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{`,
	'',
];

// `count` half-open requests for `seconds`; each sends a byte now and then, and comes again when it is thrown out.
async function slowloris({ port, count, seconds, requestTimeout }) {
	let opened = 0,
		thrown = 0;
	const begin = number => {
		opened++;
		// Eight addresses: that limits.per_address is not what holds them is the point.
		return open(port, `127.0.0.${10 + (number % 8)}`, beginnings[number % beginnings.length]);
	};
	// All at the same time: where it took longer than the server waits for a request, they are opened anew.
	let all, most;
	for (let tries = 10; tries > 0; tries--) {
		const start = Date.now();
		all = await openMany(count, begin);
		most = all.filter(one => !one.ended).length;
		if (Date.now() - start < requestTimeout * 1000) break;
		for (const one of all) one.socket.destroy();
	}
	const end = Date.now() + seconds * 1000;
	for (let tick = 0; Date.now() < end; tick++) {
		for (let i = 0; i < count; i++) {
			if (all[i].ended) {
				thrown++;
				all[i] = begin(i);
			} else if (i % 10 === tick % 10 && beginnings[i % beginnings.length]) {
				all[i].socket.write('x');
			}
		}
		await turn(100);
	}
	for (const one of all) one.socket.destroy();
	return { opened, most, thrown };
}

// `count` connections from one address, of which `heldMax` are not refused. `took`: milliseconds until all others were.
async function flood({ port, count, seconds, heldMax }) {
	const start = Date.now();
	const all = await openMany(count, () => open(port, '127.0.0.30', ''));
	// Those refused are closed by the server; how many stay is seen before it ends the silent ones.
	await until(() => all.filter(one => one.ended).length >= count - heldMax, PATIENCE_MS, 'the refusals');
	const took = Date.now() - start;
	await turn(seconds * 1000);
	for (const one of all) one.socket.destroy();
	return { connections: count, took };
}

// Messages one byte above what is taken before authentication.
async function bigMessages({ port, count }) {
	const message = frame(TEXT, JSON.stringify({ type: 'auth', token: 'x'.repeat(65536 + 1 - 26) }));
	const answers = {};
	const all = await openMany(count, number => {
		const one = open(port, `127.0.0.${40 + (number % 8)}`, handshake(port));
		one.bytes = Buffer.alloc(0);
		one.socket.on('data', data => {
			one.bytes = Buffer.concat([one.bytes, data]);
			if (!one.sent && one.bytes.includes('welcome')) one.sent = one.socket.write(message) || true;
		});
		return one;
	});
	await until(() => all.every(one => one.ended || one.bytes.includes(Buffer.from([0x80 | CLOSE]))), PATIENCE_MS, 'closes');
	for (const one of all) {
		const text = one.bytes.toString('latin1');
		const close = /"status":413/.test(text) ? one.bytes.readUInt16BE(one.bytes.lastIndexOf(0x80 | CLOSE) + 2) : 'no 413';
		answers[close] = (answers[close] ?? 0) + 1;
		one.socket.destroy();
	}
	return answers;
}

const bombs = [
	`GET /livez HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(10000)}\r\n`,
	`GET /livez HTTP/1.1\r\n${HOST}X: ${'x'.repeat(65536)}\r\n\r\n`,
	`GET /${'x'.repeat(65536)} HTTP/1.1\r\n${HOST}\r\n`,
	`GET /livez?${'a=b&'.repeat(20000)} HTTP/1.1\r\n${HOST}\r\n`,
	`GET /livez HTTP/1.1\r\n${HOST}${'Cookie: '.repeat(1)}${'a=b; '.repeat(30000)}\r\n\r\n`,
	`GET /livez HTTP/1.1\r\n${HOST}Authorization: Bearer ${'e'.repeat(60000)}\r\n\r\n`,
	`PUT /v1/services/hostile/documents/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${'1;x=y\r\na\r\n'.repeat(20000)}0\r\n${'T: x\r\n'.repeat(10000)}\r\n`,
];

const count = (answers, status) => {
	answers[status] = (answers[status] ?? 0) + 1;
};

async function inParallel(total, width, one) {
	let next = 0;
	await Promise.all(
		Array.from({ length: width }, async () => {
			while (next < total) await one(next++);
		}),
	);
}

async function headerBombs({ port, count: total }) {
	const answers = {};
	await inParallel(total, 32, async number => {
		const { text } = await exchange(port, bombs[number % bombs.length], { isDone: hasWholeAnswer, deadlineMs: PATIENCE_MS });
		count(answers, parseAnswer(text)?.status ?? 'closed');
	});
	return answers;
}

const secrets = ['etc/passwd', 'proc/self/environ', 'proc/self/maps'];
const ups = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '..%5c', '..\\', '%c0%ae%c0%ae/', '%252e%252e/', '....//', '.%00./', '..;/', '%uff0e%uff0e/'];
const pages = ['', 'documents/', 'realtime/', 'status/', 'documents/inspect/', 'v1/services/', 'realtime.js/', './', '%2f', '/', 'file:///'];
const tricks = pages.flatMap(page => ups.flatMap(up => secrets.map(file => `/${page}${up.repeat(6)}${file}`)));

// Every answer must be a refusal, and none may hold a line of a file.
async function pathTricks({ port, count: total }) {
	const answers = {};
	await inParallel(total, 16, async number => {
		const trick = tricks[number % tricks.length];
		const { text } = await exchange(port, `GET ${trick} HTTP/1.1\r\n${HOST}\r\n`, { isDone: hasWholeAnswer, deadlineMs: PATIENCE_MS });
		const leaks = /root:x?:0|PATH=|syncdocd|libc/.test(text);
		count(answers, leaks ? `leak by ${trick}` : (parseAnswer(text)?.status ?? 'closed'));
	});
	return { tricks: tricks.length, ...answers };
}

// Ask for some MiB and do not read them.
async function slowReaders({ port, count: total, path, headers, seconds }) {
	const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
	const all = [];
	const statuses = {};
	// One after the other: all at once they would show what Redis does with that many lists.
	for (let number = 0; number < total; number++) {
		// Four at once: the kernel would take one whole answer, and that costs a server nothing.
		const request = `GET ${path} HTTP/1.1\r\n${HOST}${lines.join('')}\r\n`;
		const one = open(port, `127.0.0.${50 + (number % 8)}`, request.repeat(4));
		one.socket.once('data', data => {
			one.socket.pause();
			one.status = parseAnswer(data.toString('latin1'))?.status;
		});
		all.push(one);
		await until(() => one.status || one.ended, PATIENCE_MS, 'the beginning of an answer');
		count(statuses, one.status ?? 'closed');
	}
	await turn(seconds * 1000);
	for (const one of all) one.socket.resume();
	// Sooner than those who wait in silence for another request are ended, after 75 seconds.
	await until(() => all.every(one => one.ended), 10000, 'ends of those that did not read').catch(() => {});
	return { connections: total, statuses, cut: all.filter(one => one.ended).length };
}

const attacks = { slowloris, flood, bigMessages, headerBombs, pathTricks, slowReaders };
const { name, ...options } = JSON.parse(process.argv[2]);
process.send(await attacks[name](options), () => process.disconnect());
