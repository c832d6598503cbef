// connection.test.js: handshake, pings, limits and ends of a WebSocket connection.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	CLOSE,
	PING,
	PONG,
	RawWebSocket,
	TEXT,
	closeFrame,
	documentPath,
	exchange,
	frame,
	handshake,
	hasWholeAnswer,
	parseAnswer,
	startPair,
	until,
} from './harness.js';

let pair, rest;
before(async () => {
	pair = await startPair({
		settings: {
			'ws.rate': 10000,
			'ws.burst': 10000,
			'ws.max_message': '8KiB',
			cors_origins: 'https://app.example.org',
		},
	});
	({ rest } = pair);
});
after(() => pair?.stop());

const connect = options => pair.daemon.connect(options);

// Who cannot answer a ping within two seconds is dropped, so this interval is for the tests of just that.
describe('pings', () => {
	let quick;
	before(async () => {
		quick = await startPair({ settings: { 'ws.ping_interval': 1 } });
	});
	after(() => quick?.stop());

	test('both kinds of ping are answered, and the server pings', async () => {
		const ws = await quick.daemon.connect();
		assert.deepEqual(await ws.request({ type: 'ping' }), { type: 'pong', id: 'request 1' });
		ws.socket.ping('payload');
		await until(() => ws.pongs.includes('payload'));
		await until(() => ws.pings >= 2);
		await ws.request({ type: 'ping' });
	});

	test('who answers no ping is dropped, who does stays', async () => {
		const [silent, awake] = [await RawWebSocket.connect(quick.daemon.port), await quick.daemon.connect()];
		await silent.next(item => item.opcode === PING);
		await silent.next(item => item.opcode === PING);
		await silent.waitForEnd();
		await awake.request({ type: 'ping' });
		silent.close();
	});
});

describe('closing', () => {
	for (const [code, answer] of [
		[1000, 1000],
		[1001, 1001],
		[3000, 3000],
		[4999, 4999],
		[null, undefined],
	])
		test(`Close ${code ?? 'without a code'} is answered with ${answer ?? 'a Close'}, then the server ends`, async () => {
			const raw = await RawWebSocket.connect(pair.daemon.port);
			raw.write(code ? closeFrame(code, 'bye') : frame(CLOSE));
			const got = await raw.closeCode();
			if (answer) assert.equal(got, answer);
			else assert.ok(got === 1000 || got === 1005, `${got}`);
			await raw.waitForEnd();
			raw.close();
		});

	test('what was sent before a Close is still done', async () => {
		const raw = await RawWebSocket.connect(pair.daemon.port);
		raw.write(
			frame(TEXT, '{"type":"sync.create","service":"last","documentId":"words","data":{},"id":1}'),
			closeFrame(1000),
		);
		await raw.waitForEnd();
		await until(async () => (await rest.get(documentPath('last', 'words'))).status === 200);
	});

	test('frames behind the handshake, cut anywhere, are taken', async () => {
		const bytes = Buffer.concat([
			frame(TEXT, '{"type":"pi', { fin: false }),
			frame(PING, 'mid'),
			frame(0, 'ng","id":5}'),
		]);
		const together = await RawWebSocket.connect(pair.daemon.port, bytes);
		assert.equal((await together.next(item => item.opcode === PONG)).payload.toString(), 'mid');
		assert.equal(
			(await together.next(item => item.payload.includes('pong'))).payload.toString(),
			'{"type":"pong","id":5}',
		);
		const apart = await RawWebSocket.connect(pair.daemon.port);
		for (const byte of bytes) apart.write(Buffer.from([byte]));
		assert.equal(
			(await apart.next(item => item.payload.includes('pong'))).payload.toString(),
			'{"type":"pong","id":5}',
		);
		for (const raw of [together, apart]) raw.close();
	});
});

describe('limits', () => {
	test('the 1001st subscription is refused, the thousand stay', async () => {
		const ws = await connect();
		for (let i = 0; i < 1000; i++) ws.send({ type: 'subscribe', topic: 'sync.many.*', documentId: `d${i}`, id: i });
		for (let i = 0; i < 1000; i++) assert.equal((await ws.next(message => message.id === i)).type, 'subscribed');
		const refused = await ws.request({ type: 'subscribe', topic: 'sync.many.*', documentId: 'd1000' });
		assert.equal(refused.type, 'error', refused.text);
		assert.ok(refused.status >= 400 && refused.status < 500);
		assert.equal(
			(await ws.request({ type: 'subscribe', topic: 'sync.many.*', documentId: 'd0', returnMode: 'diff' })).type,
			'subscribed',
			'replacing adds none',
		);
		await rest.put(documentPath('many', 'd999'), { data: {} });
		assert.equal((await ws.event()).payload.documentId, 'd999');
		await ws.request({ type: 'unsubscribe', topic: 'sync.many.*', documentId: 'd1' });
		assert.equal(
			(await ws.request({ type: 'subscribe', topic: 'sync.many.*', documentId: 'd1000' })).type,
			'subscribed',
		);
	});

	test('over ws.rate comes 429, and after it everything is answered again', async () => {
		const slow = await startPair({ settings: { 'ws.rate': 10, 'ws.burst': 5 } });
		try {
			const ws = await slow.daemon.connect(),
				other = await slow.daemon.connect();
			ws.socket._socket.cork(); // all at once, however slow we are
			for (let i = 0; i < 20; i++) ws.send({ type: 'ping', id: i });
			ws.socket._socket.uncork();
			await other.request({ type: 'ping' });
			const answers = await until(
				() => {
					const some = ws.messages.filter(message => message.type === 'pong' || message.type === 'error');
					return some.length === 20 && some;
				},
				undefined,
				'20 answers',
			);
			assert.deepEqual(
				answers.slice(0, 5).map(answer => answer.id),
				[0, 1, 2, 3, 4],
			);
			const errors = answers.filter(answer => answer.type === 'error');
			assert.ok(errors.length >= 1);
			for (const error of errors) assert.equal(error.status, 429);
			await until(async () => (await ws.request({ type: 'ping' })).type === 'pong');
		} finally {
			await slow.stop();
		}
	});

	test('too many invalid messages in a minute end in 1008, each is an error 400 before', async () => {
		const ws = await connect();
		// The count begins anew each minute, so more are sent than one minute takes.
		for (let i = 0; i < 25; i++)
			ws.send(['nonsense', '{"type":"unknown","id":1}', '[]', '{"id":2}', '{"type":"ping"'][i % 5]);
		assert.equal((await ws.waitForClose()).code, 1008);
		const errors = ws.messages.filter(message => message.type === 'error');
		assert.ok(errors.length >= 9 && errors.length <= 20, `${errors.length}`);
		for (const error of errors) assert.equal(error.status, 400);
		assert.equal(errors[1].id, 1);
	});

	test('refusals of sensible messages do not count towards it', async () => {
		const ws = await connect();
		for (let i = 0; i < 30; i++)
			assert.equal((await ws.request({ type: 'sync.get', service: 'none', documentId: 'x' })).status, 404);
		await ws.request({ type: 'ping' });
	});

	for (const [name, text, id] of [
		['at the front', `{"id":"mine","type":"sync.create","data":{"a":"${'x'.repeat(9000)}"}}`, 'mine'],
		['a number', `{"type":"ping","id":17,"x":"${'x'.repeat(9000)}"}`, 17],
		['behind 4 KiB', `{"type":"ping","x":"${'x'.repeat(9000)}","id":"far"}`, undefined],
	])
		test(`too big is 413, the id ${name} ${id === undefined ? 'left out' : 'in it'}, then 1009`, async () => {
			for (const fragments of [1, 3]) {
				const raw = await RawWebSocket.connect(pair.daemon.port);
				const size = Math.ceil(text.length / fragments);
				for (let i = 0; i < fragments; i++)
					raw.write(frame(i ? 0 : TEXT, text.slice(i * size, (i + 1) * size), { fin: i === fragments - 1 }));
				const error = JSON.parse((await raw.next(item => item.payload.includes('"error"'))).payload);
				assert.deepEqual([error.status, error.id], [413, id]);
				assert.equal(await raw.closeCode(), 1009);
				raw.close();
			}
		});

	test('limits.per_address refuses the handshake with 503 and lets others in when one is gone', async () => {
		const few = await startPair({ settings: { 'limits.per_address': 3 } });
		few.rest.close();
		try {
			const clients = [];
			await until(async () => {
				try {
					clients.push(await few.daemon.connect());
				} catch {
					return false;
				}
				return clients.length === 3;
			});
			await assert.rejects(few.daemon.connect());
			clients[0].close();
			await until(() =>
				few.daemon.connect().then(
					() => true,
					() => false,
				),
			);
			await clients[1].request({ type: 'ping' });
		} finally {
			await few.stop();
		}
	});
});

describe('handshake', () => {
	const shake = changes =>
		exchange(pair.daemon.port, handshake(pair.daemon.port, changes), { isDone: hasWholeAnswer }).then(result =>
			parseAnswer(result.text),
		);
	for (const [name, changes, status] of [
		['without Origin', {}, 101],
		['own origin', () => ({ Origin: `http://127.0.0.1:${pair.daemon.port}` }), 101],
		['an origin of cors_origins', { Origin: 'https://app.example.org' }, 101],
		['a foreign origin', { Origin: 'https://evil.example' }, 403],
		['Origin: null', { Origin: 'null' }, 403],
		['a foreign Host', { Host: 'evil.example' }, 421],
		['Connection: keep-alive, Upgrade', { Connection: 'keep-alive, Upgrade' }, 101],
		['an unknown subprotocol', { 'Sec-WebSocket-Protocol': 'chat' }, 101],
		['a malformed extension offer', { 'Sec-WebSocket-Extensions': ';;=,"' }, 101],
		['8 KiB of headers', { 'X-Long': 'x'.repeat(7600) }, 101],
	])
		test(`${name}: ${status}`, async () => {
			const answer = await shake(typeof changes === 'function' ? changes() : changes);
			assert.equal(answer.status, status, answer.text);
			if (status === 101) {
				assert.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
				assert.equal(answer.headers['sec-websocket-protocol'], undefined);
				assert.equal(answer.headers['sec-websocket-extensions'], undefined);
			}
		});
});
