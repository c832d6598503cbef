// tls_front.test.js: what clients do to TLS: renegotiations, new keys, records of all sizes, halves of connections; and that nothing is lost
// between a client, TLS and libmicrohttpd. Limits, tickets and drains: tls_limits.test.js.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
	DEADLINE_MS,
	Redis,
	Relay,
	TEXT,
	TlsPeer,
	allTlsGone,
	assertStatus,
	collectionPath,
	documentPath,
	frame,
	getRequest,
	handshake,
	scrape,
	splitAnswers,
	startTlsDaemon,
	tlsFigure,
	until,
} from './harness.js';

let redis;
before(async () => {
	redis = await Redis.start();
});
after(() => redis?.stop());

const CLOSE = 'Connection: close\r\n';
const descriptors = daemon => fs.readdirSync(`/proc/${daemon.workers()[0].pid}/fd`).length;

// Bytes that the kernel holds for clients of that port.
function heldByKernel(port) {
	const hex = port.toString(16).toUpperCase().padStart(4, '0');
	let held = 0;
	for (const line of fs.readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1)) {
		const [, local, remote, , queues] = line.trim().split(/\s+/);
		const [toSend, toRead] = queues.split(':').map(digits => parseInt(digits, 16));
		if (local.endsWith(`:${hex}`)) held += toSend;
		else if (remote.endsWith(`:${hex}`)) held += toRead;
	}
	return held;
}

// Resolves to how much that is, when it has taken what it takes of a client that does not read.
function kernelIsFull(port) {
	let before = 0;
	return until(() => {
		const held = heldByKernel(port);
		if (held > 500_000 && held === before) return held;
		before = held;
		return undefined;
	}, DEADLINE_MS, 'the kernel is full');
}

// Runs openssl s_client; what stands on its standard input is sent, or is a command as its manual says.
async function openssl(daemon, args, steps) {
	const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${daemon.port}`, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
	const output = { text: '' };
	const ended = new Promise(resolve => child.on('close', resolve));
	for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output.text += data.toString('latin1')));
	child.stdin.on('error', () => {});
	try {
		for (const { say, until: isThere } of steps) {
			if (say) child.stdin.write(say);
			await until(() => isThere(output.text) || child.exitCode !== null, DEADLINE_MS, () => `${isThere}: ${output.text.slice(-1500)}`);
		}
	} finally {
		child.kill('SIGKILL');
		await ended;
	}
	return output.text;
}
const connected = { until: text => /Verify return code|---\s*$/.test(text) && /Cipher is/.test(text) };

describe('a TLS connection', () => {
	let daemon;
	const settings = { 'documents.max_size': '4MiB', 'ring.size': '128MiB', 'history.max': 0, 'redis.timeout': 30, 'limits.per_address': 0, 'limits.request_timeout': 20 };
	const large = JSON.stringify({ data: { text: 'x'.repeat(4_000_000) } });
	before(async () => {
		daemon = await startTlsDaemon({ redis, settings });
		assertStatus(await daemon.rest.put(documentPath('s', 'large'), large), 201);
		assertStatus(await daemon.rest.put(documentPath('s', 'small'), { data: { n: 1 } }), 201);
	});
	after(() => daemon?.stop());

	test('an answer of 4 MB with Connection: close comes whole, and then the end is said', async () => {
		for (const options of [{}, { maxVersion: 'TLSv1.2' }]) {
			const peer = await TlsPeer.connect(daemon.port, options);
			peer.write(getRequest(documentPath('s', 'large'), CLOSE));
			await peer.until(() => peer.ended);
			const [answer] = splitAnswers(peer.bytes);
			assert.equal(answer.status, 200);
			assert.equal(JSON.parse(String(answer.body)).data.text.length, 4_000_000);
			assert.ok(peer.finished && !peer.error, String(peer.error));
		}
		await allTlsGone(daemon);
	});

	test('a body larger than all buffers on the way arrives', async () => {
		const peer = await TlsPeer.connect(daemon.port);
		peer.write(`PUT ${documentPath('s', 'put')} HTTP/1.1\r\nHost: x.localhost\r\n${CLOSE}`.replace('x.localhost', '127.0.0.1'));
		peer.write(`Content-Type: application/json\r\nContent-Length: ${large.length}\r\n\r\n${large}`);
		await peer.until(() => peer.ended);
		assert.equal(splitAnswers(peer.bytes)[0]?.status, 201, peer.text.slice(0, 500));
		assert.equal((await daemon.rest.get(documentPath('s', 'put'))).json.data.text.length, 4_000_000);
	});

	test('the refusal of a body that is not read arrives, and the connection ends', async () => {
		const peer = await TlsPeer.connect(daemon.port);
		peer.write(`PUT ${documentPath('s', 'huge')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n`);
		for (let i = 0; i < 9; i++) peer.write('x'.repeat(1_000_000));
		await peer.until(() => peer.ended);
		assert.equal(splitAnswers(peer.bytes)[0]?.status, 413, `${peer.error} ${peer.text.slice(0, 500)}`);
		await allTlsGone(daemon);
	});

	test('written byte by byte, handshake and all', async () => {
		const relay = await Relay.start(daemon.port, { step: data => Array.from(data, byte => Buffer.from([byte])) });
		const peer = await TlsPeer.connect(relay.port);
		peer.write(getRequest(documentPath('s', 'small')));
		await peer.until(() => splitAnswers(peer.bytes).length === 1);
		peer.write(getRequest(documentPath('s', 'small'), CLOSE));
		await peer.until(() => peer.ended);
		assert.deepEqual(splitAnswers(peer.bytes).map(answer => answer.status), [200, 200]);
		await relay.stop();
	});

	test('clients that vanish in the middle of whatever it is leave nothing', async () => {
		let cut = 0;
		const relay = await Relay.start(daemon.port, { cutAfter: () => cut });
		for (cut of [1, 5, 100, 300, 420, 500, 560, 600, 640, 700, 1000, 20000, 100000]) {
			relay.toServer = 0;
			const peer = new TlsPeer(relay.port);
			peer.write(Buffer.concat([Buffer.from(handshake(daemon.port)), frame(TEXT, `{"type":"ping","pad":"${'x'.repeat(200000)}"}`)]));
			await peer.until(() => peer.ended);
		}
		await relay.stop();
		await allTlsGone(daemon);
		assert.equal((await scrape(daemon.rest)).value('syncdoc_connections'), 0);
	});

	// Before an answer has begun, half a connection is none: libmicrohttpd gives it up, over plain TCP as well.
	test('a client that says no more while its answer comes gets all of it', async () => {
		const peer = await TlsPeer.connect(daemon.port, { allowHalfOpen: true });
		peer.write(getRequest(documentPath('s', 'large'), CLOSE));
		await peer.until(() => peer.length > 0);
		peer.socket.end();
		await peer.until(() => peer.finished);
		assert.equal(splitAnswers(peer.bytes)[0]?.body.length, (await daemon.rest.get(documentPath('s', 'large'))).text.length);
		peer.close();
		await allTlsGone(daemon);
	});

	test('a WebSocket: frames in the same flight as its handshake, more than any buffer holds', async () => {
		const peer = await TlsPeer.connect(daemon.port);
		const frames = Array.from({ length: 300 }, (_, id) => frame(TEXT, JSON.stringify({ type: 'ping', id, pad: 'x'.repeat(2000) })));
		peer.write(Buffer.concat([Buffer.from(handshake(daemon.port)), ...frames]));
		await peer.until(() => peer.text.includes('"pong","id":299'));
		const ids = [...peer.text.matchAll(/"pong","id":(\d+)/g)].map(([, id]) => Number(id));
		assert.deepEqual(ids, Array.from({ length: 300 }, (_, id) => id));
		peer.close();
		await allTlsGone(daemon);
	});

	test('a WebSocket: what MHD could not send before its 101 is not lost, nor is its order', async () => {
		const relay = await Relay.start(daemon.port);
		const peer = await TlsPeer.connect(relay.port);
		const asked = 5;
		relay.pairs[0].far.pause();
		peer.write(getRequest(documentPath('s', 'large')).repeat(asked) + getRequest(documentPath('s', 'small')));
		peer.write(Buffer.concat([Buffer.from(handshake(daemon.port)), frame(TEXT, '{"type":"ping","id":7}')]));
		await kernelIsFull(daemon.port);
		relay.pairs[0].far.resume();
		await peer.until(() => peer.text.includes('"pong","id":7'));
		const answers = splitAnswers(peer.bytes);
		assert.deepEqual(answers.map(answer => answer.status), [...Array(asked).fill(200), 200, 101]);
		for (const answer of answers.slice(0, asked)) assert.equal(JSON.parse(String(answer.body)).data.text.length, 4_000_000);
		assert.match(answers.rest.toString('latin1'), /^..?.?.?\{"type":"welcome"/s);
		await relay.stop();
		await allTlsGone(daemon);
	});

	test('a WebSocket has one descriptor, and its records are not small', async () => {
		const before = descriptors(daemon);
		const peers = await Promise.all(Array.from({ length: 20 }, () => TlsPeer.connect(daemon.port)));
		for (const peer of peers) peer.write(Buffer.concat([Buffer.from(handshake(daemon.port)), frame(TEXT, '{"type":"subscribe","topic":"sync.r.*"}')]));
		for (const peer of peers) await peer.until(() => peer.text.includes('"subscribed"'));
		assert.ok(descriptors(daemon) - before <= 20, `${descriptors(daemon) - before} descriptors for 20`);
		const [peer] = peers;
		const { bytesRead } = peer.socket;
		const wire = peer.socket._parent?.bytesRead ?? bytesRead;
		const had = peer.length;
		assertStatus(await daemon.rest.put(documentPath('r', 'd'), { data: { text: 'y'.repeat(50000) } }), 201);
		await peer.until(() => peer.length - had > 50000);
		// 4 records of up to 16 KiB, with some 22 bytes of their own each.
		const overhead = (peer.socket._parent?.bytesRead ?? peer.socket.bytesRead) - wire - (peer.length - had);
		assert.ok(overhead < 6 * 30, `${overhead} bytes for records`);
		for (const one of peers) one.close();
		await allTlsGone(daemon);
	});

	test('a client may ask for smaller records', async () => {
		const text = await openssl(daemon, ['-maxfraglen', '512', '-quiet'], [{ say: getRequest(documentPath('s', 'large'), CLOSE), until: all => all.length > 4_000_000 && all.trimEnd().endsWith('}}') }]);
		assert.ok(/HTTP\/1.1 200/.test(text) && text.includes('x'.repeat(4_000_000)));
	});

	test('new keys in the middle of it, at the wish of the client', async () => {
		const text = await openssl(daemon, ['-tls1_3'], [
			connected,
			{ say: 'K\n', until: all => /KEYUPDATE/.test(all) },
			{ say: getRequest(documentPath('s', 'small')), until: all => /"n":1\}/.test(all) },
			{ say: 'k\n', until: all => all.split('KEYUPDATE').length > 2 },
			{ say: getRequest(documentPath('s', 'small')), until: all => all.split('"n":1}').length > 2 },
		]);
		assert.equal(text.split('HTTP/1.1 200').length, 3, text);
	});

	test('a handshake takes one round trip', async () => {
		const text = await openssl(daemon, ['-tls1_3', '-msg'], [connected]);
		assert.equal(text.match(/<<< TLS 1\.3, Handshake \[length \w+\], ServerHello/g).length, 1, text);
	});

	test('a renegotiation is refused, and counted', async () => {
		const before = await tlsFigure(daemon, 'tls_faults_total');
		const text = await openssl(daemon, ['-tls1_2'], [connected, { say: 'R\n', until: all => /no renegotiation/.test(all) }]);
		assert.match(text, /no renegotiation/);
		assert.equal(await tlsFigure(daemon, 'tls_faults_total'), before + 1);
		await allTlsGone(daemon);
	});

	test('noise instead of a record after the handshake ends it, and is counted', async () => {
		const before = await tlsFigure(daemon, 'tls_faults_total');
		const relay = await Relay.start(daemon.port);
		const peer = await TlsPeer.connect(relay.port);
		peer.write(getRequest('/livez'));
		await peer.until(() => splitAnswers(peer.bytes).length === 1);
		relay.pairs[0].far.write(Buffer.alloc(100, 0x17));
		await peer.until(() => peer.ended);
		assert.equal(await tlsFigure(daemon, 'tls_faults_total'), before + 1);
		await relay.stop();
	});

	test('http/1.1 is agreed on where protocols are offered; who offers others only is served as well', async () => {
		for (const [offered, agreed] of [[['h2', 'http/1.1'], 'http/1.1'], [['http/1.1'], 'http/1.1'], [['h2'], false], [undefined, false]]) {
			const peer = await TlsPeer.connect(daemon.port, { ALPNProtocols: offered });
			assert.equal(peer.socket.alpnProtocol, agreed, String(offered));
			peer.write(getRequest('/livez', CLOSE));
			await peer.until(() => peer.ended);
			assert.equal(splitAnswers(peer.bytes)[0].status, 200);
		}
	});

	test('who does not speak TLS is told nothing, and counted', async () => {
		const before = await tlsFigure(daemon, 'tls_handshakes_failed_total');
		const socket = net.connect(daemon.port, '127.0.0.1');
		let text = '';
		socket.on('data', data => (text += data.toString('latin1')));
		socket.on('error', () => {});
		socket.write(getRequest('/livez'));
		await until(() => socket.closed);
		assert.doesNotMatch(text, /HTTP/);
		assert.equal(await tlsFigure(daemon, 'tls_handshakes_failed_total'), before + 1);
	});

	test('200 WebSockets get all of 50 events, in order', async () => {
		const peers = await Promise.all(Array.from({ length: 200 }, () => TlsPeer.connect(daemon.port)));
		const hello = Buffer.concat([Buffer.from(handshake(daemon.port)), frame(TEXT, '{"type":"subscribe","topic":"sync.many.*"}')]);
		for (const peer of peers) peer.write(hello);
		for (const peer of peers) await peer.until(() => peer.text.includes('"subscribed"'));
		for (let n = 0; n < 50; n++) await daemon.rest.put(documentPath('many', `d${n % 3}`), { data: { n } });
		const all = Array.from({ length: 50 }, (_, n) => n);
		for (const peer of peers) {
			await peer.until(() => peer.text.includes('"data":{"n":49}'));
			assert.deepEqual([...peer.text.matchAll(/"data":\{"n":(\d+)\}/g)].map(([, n]) => Number(n)), all);
		}
		for (const peer of peers) peer.close();
		await allTlsGone(daemon);
	});

	test('a subscriber that stops reading gets the newest of each document when it reads again', async () => {
		const peer = await TlsPeer.connect(daemon.port);
		peer.write(Buffer.concat([Buffer.from(handshake(daemon.port)), frame(TEXT, '{"type":"subscribe","topic":"sync.slow.*"}')]));
		await peer.until(() => peer.text.includes('"subscribed"'));
		peer.socket.pause();
		const pad = 'z'.repeat(100_000);
		let n = 0;
		await until(async () => {
			for (let i = 0; i < 20; i++, n++) await daemon.rest.put(documentPath('slow', `d${n % 2}`), { data: { n, pad } });
			return (await tlsFigure(daemon, 'connections_conflating')) === 1;
		}, 60000, 'its events are joined');
		peer.socket.resume();
		await peer.until(() => peer.text.includes(`"data":{"n":${n - 1},`) && peer.text.includes(`"data":{"n":${n - 2},`));
		assert.match(peer.text, /"fromRevision":\d+/);
		const seen = [...peer.text.matchAll(/"documentId":"(d\d)","revision":(\d+)/g)];
		for (const id of ['d0', 'd1']) {
			const revisions = seen.filter(([, of]) => of === id).map(([, , revision]) => Number(revision));
			assert.deepEqual(revisions, [...new Set(revisions)].sort((a, b) => a - b));
		}
		peer.write(frame(TEXT, '{"type":"ping","id":1}'));
		await peer.until(() => peer.text.includes('"pong","id":1'));
		peer.close();
		await allTlsGone(daemon);
	});

	test('an event stream and a long poll end when their client does', async () => {
		for (const [target, gauge] of [[`${documentPath('s', 'small')}/events`, 'streams'], [`${documentPath('s', 'small')}?wait=30s`, 'long_polls']]) {
			const { headers } = await daemon.rest.get(documentPath('s', 'small'));
			const peer = await TlsPeer.connect(daemon.port);
			peer.write(getRequest(target, `If-None-Match: ${headers.etag}\r\n`));
			await until(async () => (await tlsFigure(daemon, gauge)) === 1, DEADLINE_MS, gauge);
			peer.close();
			await until(async () => (await tlsFigure(daemon, gauge)) === 0, DEADLINE_MS, `${gauge} is gone`);
		}
		await allTlsGone(daemon);
	});

	test('the collection is a page of several MiB, read in small sips', async () => {
		const peer = await TlsPeer.connect(daemon.port, { highWaterMark: 4096 });
		peer.write(getRequest(`${collectionPath('s')}?data=true`, CLOSE));
		await peer.until(() => peer.ended);
		const [answer] = splitAnswers(peer.bytes);
		assert.equal(answer.status, 200);
		JSON.parse(String(answer.body));
	});
});

test('what is left when libmicrohttpd is done with it must be read, too', async () => {
	const limits = { 'documents.max_size': '8MiB', 'ring.size': '256MiB', 'history.max': 0, 'redis.timeout': 30, 'limits.per_address': 0 };
	const daemon = await startTlsDaemon({ redis, settings: limits });
	const relays = [];
	const ask = async size => {
		assertStatus(await daemon.rest.put(documentPath('tail', `d${size}`), { data: { text: 'x'.repeat(size) } }), 201);
		const relay = await Relay.start(daemon.port);
		relays.push(relay);
		const peer = await TlsPeer.connect(relay.port);
		relay.pairs[0].far.pause();
		peer.write(getRequest(documentPath('tail', `d${size}`), CLOSE));
	};
	try {
		// Of this one MHD keeps some itself. What the kernel takes of it is about what it takes of any.
		await ask(7_500_000);
		const held = await kernelIsFull(daemon.port);
		// Of some of these it has all in the pair of sockets, and is done with them.
		for (let more = -200_000; more <= 200_000; more += 40_000) await ask(held + more);
		await until(async () => (await tlsFigure(daemon, 'tls_cut_slow_total')) >= 1, 60000, 'the cut');
		await allTlsGone(daemon);
		assert.ok((await tlsFigure(daemon, 'answers_cut_slow_total')) >= 1);
	} finally {
		for (const relay of relays) await relay.stop();
		await daemon.stop();
	}
});
