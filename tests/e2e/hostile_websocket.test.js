// hostile_websocket.test.js: handshakes and frames as no well-behaved client sends them: each has its answer, and the same workers serve on
// afterwards.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import {
	BINARY,
	CLOSE,
	CONTINUATION,
	PING,
	PONG,
	RawWebSocket,
	TEXT,
	assertProblem,
	closeFrame,
	cutSocket,
	exchange,
	frame,
	getRequest,
	handshake,
	hasWholeAnswer,
	parseAnswer,
	startPair,
} from './harness.js';
import { Unharmed } from './lib/unharmed.js';

let pair, port, unharmed;
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.max_message': '16KiB' } });
	({ port } = pair.daemon);
	unharmed = new Unharmed(pair.daemon);
});
afterEach(() => unharmed.check());
after(() => pair?.stop());

describe('invalid handshakes', () => {
	const table = [
		['no key', { 'Sec-WebSocket-Key': undefined }, 400],
		['a key that is no base64', { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }, 400],
		['a key of 15 bytes', { 'Sec-WebSocket-Key': 'MTIzNDU2Nzg5MDEyMzQ1' }, 400],
		['a key of 17 bytes', { 'Sec-WebSocket-Key': 'MTIzNDU2Nzg5MDEyMzQ1Njc=' }, 400],
		['an empty key', { 'Sec-WebSocket-Key': '' }, 400],
		['version 12', { 'Sec-WebSocket-Version': '12' }, 426],
		['version 13.0', { 'Sec-WebSocket-Version': '13.0' }, 426],
		['no version', { 'Sec-WebSocket-Version': undefined }, 400],
		['no Upgrade', { Upgrade: undefined }, 400],
		['Upgrade: h2c', { Upgrade: 'h2c' }, 400],
		['no Connection', { Connection: undefined }, 400],
		['Connection: close', { Connection: 'close' }, 400],
	];
	for (const [name, changes, status] of table)
		test(`${name}: ${status}`, async () => {
			const { text } = await exchange(port, handshake(port, changes), { isDone: hasWholeAnswer });
			const answer = parseAnswer(text);
			assertProblem({ ...answer, json: JSON.parse(answer.text) }, status);
			if (status === 426) assert.equal(answer.headers['sec-websocket-version'], '13');
		});

	test('by POST 405, by HTTP/1.0 an error', async () => {
		const post = parseAnswer(
			(await exchange(port, handshake(port).replace('GET', 'POST'), { isDone: hasWholeAnswer })).text,
		);
		assert.equal(post.status, 405);
		const old = (await exchange(port, handshake(port).replace('HTTP/1.1', 'HTTP/1.0'), { isDone: hasWholeAnswer }))
			.text;
		assert.equal(parseAnswer(old)?.status, 400, `${old || 'closed without an answer'}`);
	});
});

const text = value => frame(TEXT, value);
const bytes = (...values) => Buffer.from(values);

describe('malformed frames', () => {
	const table = [
		['an unmasked frame', frame(TEXT, '{"type":"ping"}', { masked: false }), 1002],
		...[1, 2, 4, 7].map(rsv => [`reserved bits ${rsv}`, frame(TEXT, '{"type":"ping"}', { rsv }), 1002]),
		...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(opcode => [`reserved opcode ${opcode}`, frame(opcode, 'x'), 1002]),
		['a fragmented ping', frame(PING, 'x', { fin: false }), 1002],
		['a fragmented Close', frame(CLOSE, '', { fin: false }), 1002],
		['a ping of 126 bytes', frame(PING, 'x'.repeat(126)), 1002],
		['a Close of 126 bytes', closeFrame(1000, 'x'.repeat(124)), 1002],
		['a pong with a 64-bit length', frame(PONG, 'x', { form: 64 }), 1002],
		['a continuation of nothing', frame(CONTINUATION, 'x'), 1002],
		['a message inside another', Buffer.concat([frame(TEXT, '{', { fin: false }), text('{}')]), 1002],
		['a length not in its shortest form, 16 bits', frame(TEXT, '{"type":"ping"}', { form: 16 }), 1002],
		['a length not in its shortest form, 64 bits', frame(TEXT, 'x'.repeat(300), { form: 64 }), 1002],
		['a length with the top bit', frame(TEXT, '', { form: 64, length: 1n << 63n }), 1002],
		['a length of 2^64 - 1', frame(TEXT, '', { form: 64, length: (1n << 64n) - 1n }), 1002],
		['binary', frame(BINARY, '{"type":"ping"}'), 1003],
		['an empty binary', frame(BINARY), 1003],
		['bad UTF-8', text(bytes(0x22, 0xff, 0x22)), 1007],
		['overlong UTF-8', text(bytes(0x22, 0xc0, 0xaf, 0x22)), 1007],
		['a surrogate in UTF-8', text(bytes(0x22, 0xed, 0xa0, 0x80, 0x22)), 1007],
		['UTF-8 beyond U+10FFFF', text(bytes(0x22, 0xf4, 0x90, 0x80, 0x80, 0x22)), 1007],
		['UTF-8 cut off at the end', text(bytes(0x22, 0xe2, 0x82)), 1007],
		[
			'bad UTF-8 over a border of fragments',
			Buffer.concat([frame(TEXT, bytes(0x22, 0xe2), { fin: false }), frame(CONTINUATION, bytes(0x28, 0xa1))]),
			1007,
		],
		['bad UTF-8 in a close reason', closeFrame(1000, bytes(0xff, 0xfe)), 1007],
		['a Close of one byte', frame(CLOSE, 'x'), 1002],
		...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535].map(code => [
			`close code ${code}`,
			closeFrame(code),
			1002,
		]),
		['HTTP on a WebSocket', Buffer.from(getRequest('/livez')), 1002],
		['a message announced too big', frame(TEXT, 'x', { form: 64, length: 1 << 20 }), 1009],
		['a message announced as 2^62 bytes', frame(TEXT, '{"id":1,', { form: 64, length: 1n << 62n }), 1009],
	];
	for (const [name, input, code] of table)
		test(`${name}: ${code}`, async () => {
			const raw = await RawWebSocket.connect(port);
			raw.write(input, text('{"type":"ping","id":"behind"}'));
			assert.equal(await raw.closeCode(), code);
			assert.ok(!raw.frames.some(item => item.payload.includes('behind')), 'nothing behind it is answered');
			for (const item of raw.frames) assert.ok(!item.masked && item.rsv === 0 && item.fin);
			raw.socket.end();
			await raw.waitForEnd();
			raw.close();
		});

	const junk = [
		'',
		'nonsense',
		'{',
		'[]',
		'7',
		'null',
		'"x"',
		'{"type":7}',
		'{"type":"ping","type":"ping"}',
		'{"type":"ping","id":{}}',
		'{"type":"ping"} {}',
		'{"type":"ping","x":NaN}',
		'{"type":"\\ud800"}',
		'{"\\u0000":1}',
		'['.repeat(8000),
		`{"type":"${'x'.repeat(8000)}"}`,
		'\ufeff{"type":"ping"}',
		"{'type':'ping'}",
	];
	for (const message of junk)
		test(`${JSON.stringify(message).slice(0, 40)}: error 400 or 422, the socket is kept`, async () => {
			const raw = await RawWebSocket.connect(port);
			raw.write(text(message), text('{"type":"ping","id":"behind"}'));
			const error = JSON.parse((await raw.next(item => item.payload.includes('"error"'))).payload);
			assert.ok(error.status === 400 || error.status === 422, JSON.stringify(error));
			assert.ok(error.code && error.message);
			await raw.next(item => item.payload.includes('behind'));
			raw.close();
		});

	test('a thousand pings are a thousand pongs or fewer, in order', async () => {
		const raw = await RawWebSocket.connect(port);
		for (let i = 0; i < 1000; i++) raw.write(frame(PING, String(i)));
		await raw.next(item => item.opcode === PONG && item.payload.toString() === '999');
		const seen = raw.frames.filter(item => item.opcode === PONG).map(item => Number(item.payload));
		assert.deepEqual(
			seen,
			[...seen].sort((a, b) => a - b),
		);
		raw.close();
	});

	test('sockets that vanish in the middle of a frame leave nothing behind', async () => {
		for (let i = 0; i < 20; i++) {
			const raw = await RawWebSocket.connect(port);
			raw.write(frame(TEXT, '{"type":"sync.create","service":"hostile","data":{}}').subarray(0, 3 * i));
			cutSocket(raw.socket);
		}
	});

	test('who never answers our Close is dropped all the same', async () => {
		const raw = await RawWebSocket.connect(port);
		raw.write(frame(BINARY, 'x'));
		assert.equal(await raw.closeCode(), 1003);
		await raw.waitForEnd();
		raw.close();
	});
});
