// tls_limits.test.js: TLS connections that are too many, too slow, resumed, or there at a drain.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import {
	DEADLINE_MS,
	Redis,
	TlsPeer,
	allTlsGone,
	documentPath,
	getRequest,
	handshake,
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

test('handshakes that do not end count for the limits, and meet their deadline', async () => {
	const daemon = await startTlsDaemon({ redis, settings: { 'limits.per_address': 30, 'limits.request_timeout': 2 } });
	try {
		const hello = Buffer.from('1603010200010001fc0303', 'hex'); // a ClientHello that is announced longer than it is
		const sockets = Array.from({ length: 30 }, (_, i) => {
			const socket = net.connect(daemon.port, '127.0.0.1');
			socket.on('error', () => {});
			if (i % 2) socket.write(hello);
			return socket;
		});
		await until(async () => (await tlsFigure(daemon, 'tls_connections')) === 30, DEADLINE_MS, 'they are there');
		await until(async () => (await tlsFigure(daemon, 'http_connections')) === 31);
		await assert.rejects(TlsPeer.connect(daemon.port));
		assert.equal(await tlsFigure(daemon, 'connections_refused_address_total'), 1);
		const elsewhere = await TlsPeer.connect(daemon.port, { localAddress: '127.0.0.9' });
		elsewhere.close();
		await until(() => sockets.every(socket => socket.closed), 20000, 'all are ended');
		assert.equal(await tlsFigure(daemon, 'tls_handshakes_timed_out_total'), 30);
		const peer = await TlsPeer.connect(daemon.port);
		peer.write(getRequest('/livez', CLOSE));
		await peer.until(() => peer.ended);
		assert.equal(splitAnswers(peer.bytes)[0].status, 200);
		// A request that does not arrive is answered past libmicrohttpd, but not past TLS.
		const half = await TlsPeer.connect(daemon.port);
		half.write(`PUT ${documentPath('s', 'half')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`);
		await half.until(() => half.ended);
		assert.equal(splitAnswers(half.bytes)[0]?.status, 408, `${half.error}`);
		assert.ok(half.finished && !half.error);
	} finally {
		await daemon.stop();
	}
});

test('limits.connections: handshakes, requests and WebSockets together', async () => {
	const daemon = await startTlsDaemon({ redis, settings: { 'limits.per_address': 0, 'limits.connections': 12 } });
	try {
		const sockets = Array.from({ length: 4 }, () => net.connect(daemon.port, '127.0.0.1').on('error', () => {}));
		const rests = [], webs = [];
		for (let i = 0; i < 3; i++) rests.push(await TlsPeer.connect(daemon.port));
		for (let i = 0; i < 4; i++) {
			const peer = await TlsPeer.connect(daemon.port);
			peer.write(handshake(daemon.port));
			await peer.until(() => peer.text.includes('"welcome"'));
			webs.push(peer);
		}
		assert.equal(await tlsFigure(daemon, 'tls_connections'), 11); // and the one of the scrape
		await assert.rejects(TlsPeer.connect(daemon.port));
		webs[0].close();
		await until(async () => (await tlsFigure(daemon, 'tls_connections')) === 10);
		const peer = await TlsPeer.connect(daemon.port);
		for (const one of [...sockets, peer.socket, ...[...rests, ...webs].map(other => other.socket)]) one.destroy();
		await allTlsGone(daemon);
	} finally {
		await daemon.stop();
	}
});

test('who has been there resumes: at any worker, and after a reload', async () => {
	const daemon = await startTlsDaemon({ redis, settings: { workers: 2 } });
	const resumes = async (session, options) => {
		const peer = await TlsPeer.connect(daemon.port, { session, ...options });
		peer.write(getRequest('/livez', CLOSE));
		await peer.until(() => peer.ended);
		assert.equal(splitAnswers(peer.bytes)[0].status, 200);
		return { reused: peer.resumed, session: peer.sessions.at(-1) };
	};
	try {
		for (const options of [{}, { maxVersion: 'TLSv1.2' }]) {
			const { reused, session } = await resumes(undefined, options);
			assert.equal(reused, false);
			// Which worker takes it is the kernel's choice, by the client's port: both have been met after so many.
			for (let i = 0; i < 12; i++) assert.ok((await resumes(session, options)).reused, `${JSON.stringify(options)} ${i}`);
			const before = daemon.workers().map(worker => worker.pid);
			daemon.process.kill('SIGHUP');
			await until(() => daemon.workers().length === 2 && !daemon.workers().some(worker => before.includes(worker.pid)), DEADLINE_MS, 'new workers');
			for (let i = 0; i < 6; i++) assert.ok((await resumes(session, options)).reused, `after the reload ${JSON.stringify(options)} ${i}`);
		}
		assert.ok((await tlsFigure(daemon, 'tls_handshakes_resumed_total')) >= 36);
		// The key is this run's: nobody resumes with somebody else's tickets.
		const other = await startTlsDaemon({ redis });
		const { session } = await resumes(undefined);
		const peer = await TlsPeer.connect(other.port, { session });
		assert.equal(peer.resumed, false);
		peer.close();
		await other.stop();
	} finally {
		await daemon.stop();
	}
});

test('a drain does not wait for handshakes, and answers what is under way', async () => {
	const daemon = await startTlsDaemon({ redis, settings: { drain_timeout: 60, 'limits.request_timeout': 60 } });
	const stuck = net.connect(daemon.port, '127.0.0.1').on('error', () => {});
	const idle = await TlsPeer.connect(daemon.port);
	idle.write(getRequest('/livez'));
	await idle.until(() => splitAnswers(idle.bytes).length === 1);
	await until(async () => (await tlsFigure(daemon, 'tls_connections')) === 2);
	const began = Date.now();
	await daemon.stop();
	assert.ok(Date.now() - began < 30000, 'long before drain_timeout');
	await until(() => stuck.closed && idle.ended);
	assert.ok(idle.finished && !idle.error, 'with a word of farewell');
});
