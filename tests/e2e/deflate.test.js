// deflate.test.js: permessage-deflate: who gets it, that it changes no message, and that it saves what it should.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import WebSocket from 'ws';
import {
	DEADLINE_MS,
	RawWebSocket,
	TEXT,
	WebSocketClient,
	assertStatus,
	documentPath,
	frame,
	until,
	urlOf,
	withPair,
	within,
} from './harness.js';

const AGREED = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const RSV1 = 4;

// A client of the ws package that offers compression as it does by default, or as `offer` says.
async function connectDeflate(daemon, offer = { threshold: 0 }) {
	const socket = new WebSocket(`${urlOf(daemon.port, 'ws')}/v1/realtime`, { perMessageDeflate: offer });
	const client = new WebSocketClient(socket);
	const open = new Promise((resolve, reject) => {
		socket.once('open', resolve);
		socket.once('error', reject);
	});
	await within(open, DEADLINE_MS, 'handshake with compression');
	client.welcome = await client.next(message => message.type === 'welcome');
	daemon.clients.add(client);
	return client;
}

const wireBytes = client => client.socket._socket.bytesRead;

// About as much JSON text as asked for, of members like those that applications have.
function dataOf(bytes, salt = 0) {
	const data = { salt, padding: '' };
	for (let i = 0, length = 0; length + 150 < bytes; i++) {
		const member = { state: ['open', 'held', 'closed'][i % 3], at: 1700000000000 + i * 7919, by: `user-${i % 9}` };
		data[`member${i}`] = member;
		length += JSON.stringify(member).length + `,"member${i}":`.length;
	}
	data.padding = 'x'.repeat(Math.max(0, bytes - JSON.stringify(data).length));
	return data;
}

function compress(text) {
	const bytes = zlib.deflateRawSync(Buffer.from(text), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
	return bytes.subarray(0, bytes.length - 4);
}

const inflate = bytes =>
	String(zlib.inflateRawSync(Buffer.concat([bytes, Buffer.from([0, 0, 0xff, 0xff])]), {
		finishFlush: zlib.constants.Z_SYNC_FLUSH,
	}));

const header = (raw, name) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(raw.head)?.[1];

test('offers: what can be met is answered, the rest is a connection without compression', async () => {
	await withPair({}, async ({ daemon }) => {
		const rows = [
			[undefined, undefined],
			['permessage-deflate', AGREED],
			['permessage-deflate; client_max_window_bits', AGREED],
			['permessage-deflate; client_max_window_bits=9', AGREED],
			['permessage-deflate; server_max_window_bits=15', `${AGREED}; server_max_window_bits=15`],
			['permessage-deflate; server_max_window_bits="15"', `${AGREED}; server_max_window_bits=15`],
			['permessage-deflate; server_max_window_bits=14', undefined],
			['permessage-deflate; server_max_window_bits=10, permessage-deflate', AGREED],
			['permessage-deflate; unheard_of', undefined],
			['x-webkit-deflate-frame', undefined],
			['permessage-deflate; client_max_window_bits=', undefined],
			['permessage-deflate, ;;', undefined],
			['"', undefined],
		];
		for (const [offer, wanted] of rows) {
			const raw = await RawWebSocket.connect(daemon.port, undefined, { 'Sec-WebSocket-Extensions': offer });
			assert.equal(header(raw, 'Sec-WebSocket-Extensions'), wanted, offer);
			raw.write(frame(TEXT, compress('{"type":"ping","id":7}'), { rsv: RSV1 }));
			if (wanted) {
				const pong = await raw.next(item => String(item.payload).includes('"pong"'));
				assert.equal(pong.rsv, 0, 'a short answer goes plain');
			} else {
				assert.equal(await raw.closeCode(), 1002, offer);
			}
			raw.close();
		}
	});
});

test('ws.deflate = no: no offer is answered', async () => {
	await withPair({ settings: { 'ws.deflate': 'no' } }, async ({ daemon }) => {
		const client = await connectDeflate(daemon);
		assert.equal(client.socket.extensions, '');
		assert.equal((await client.request({ type: 'ping' })).type, 'pong');
		const raw = await RawWebSocket.connect(daemon.port, undefined, {
			'Sec-WebSocket-Extensions': 'permessage-deflate',
		});
		raw.write(frame(TEXT, compress('{"type":"ping"}'), { rsv: RSV1 }));
		assert.equal(await raw.closeCode(), 1002);
		raw.close();
	});
});

test('events of all sizes and modes are those that a plain client gets', async () => {
	const settings = { 'documents.max_size': '1MiB', 'ring.size': '32MiB' };
	await withPair({ settings }, async ({ daemon, rest }) => {
		const clients = [];
		for (const returnMode of ['full', 'diff', 'both'])
			for (const client of [await daemon.connect(), await connectDeflate(daemon), await connectDeflate(daemon)]) {
				await client.subscribe({ topic: 'sync.sizes.*', returnMode });
				clients.push(client);
			}
		for (const client of clients) assert.equal(Boolean(client.socket.extensions), clients.indexOf(client) % 3 !== 0);
		let count = 0;
		for (const bytes of [100, 300, 4096, 200000])
			for (let revision = 1; revision <= 3; revision++) {
				const data = dataOf(bytes, revision);
				assertStatus(await rest.put(documentPath('sizes', `d${bytes}`), { data }), revision === 1 ? 201 : 200);
				count++;
			}
		for (const client of clients) await until(() => client.events.length >= count, DEADLINE_MS, 'all events');
		for (let i = 0; i < clients.length; i += 3) {
			const [plain, ...compressed] = clients.slice(i, i + 3).map(client => client.events.map(event => event.text));
			assert.equal(plain.length, count);
			for (const texts of compressed) assert.deepEqual(texts, plain);
			assert.ok(wireBytes(clients[i + 1]) * 2 < wireBytes(clients[i]), 'bytes on the wire');
		}
	});
});

test('short events go plain, longer ones compressed, and a 4 KiB event takes a third of the bytes or less', async () => {
	await withPair({}, async ({ daemon, rest }) => {
		const raw = await RawWebSocket.connect(
			daemon.port,
			frame(TEXT, '{"type":"subscribe","topic":"sync.wire.*"}'),
			{ 'Sec-WebSocket-Extensions': 'permessage-deflate' },
		);
		await raw.next(item => String(item.payload).includes('"subscribed"'));
		const plain = await daemon.connect();
		await plain.subscribe({ topic: 'sync.wire.*' });
		for (const bytes of [20, 4096]) {
			await rest.put(documentPath('wire', `d${bytes}`), { data: dataOf(bytes) });
			const event = await plain.event();
			const sent = await raw.next(item => item.rsv || String(item.payload).includes('"event"'));
			const short = event.text.length < 250;
			assert.equal(short, bytes === 20, `an event of ${event.text.length} bytes`);
			assert.equal(sent.rsv, short ? 0 : RSV1);
			assert.equal(short ? String(sent.payload) : inflate(sent.payload), event.text);
			if (!short) assert.ok(sent.payload.length * 3 <= event.text.length, `${sent.payload.length} bytes`);
		}
		raw.close();
	});
});

test('messages that come compressed, whole or in fragments, are what they would be plain', async () => {
	await withPair({}, async ({ daemon }) => {
		const client = await connectDeflate(daemon);
		assert.equal(client.socket.extensions.includes('permessage-deflate'), true);
		for (const bytes of [10, 300, 60000]) {
			const data = dataOf(bytes);
			const made = await client.request({ type: 'sync.create', service: 'in', documentId: `d${bytes}`, data });
			assert.equal(made.type, 'result', made.text);
			// 1 KiB and more come back compressed
			const read = await client.request({ type: 'sync.get', service: 'in', documentId: `d${bytes}` });
			assert.deepEqual(read.document.data, data);
		}
		const raw = await RawWebSocket.connect(daemon.port, undefined, {
			'Sec-WebSocket-Extensions': 'permessage-deflate',
		});
		const bytes = compress('{"type":"sync.get","service":"in","documentId":"d60000","id":"grün"}');
		raw.write(
			frame(TEXT, bytes.subarray(0, 5), { rsv: RSV1, fin: false }),
			frame(9, 'between'),
			frame(0, bytes.subarray(5, 6), { fin: false }),
			frame(0, bytes.subarray(6)),
		);
		const result = await raw.next(item => item.opcode === TEXT && item.rsv === RSV1, 'a compressed answer');
		const answer = JSON.parse(inflate(result.payload));
		assert.equal(answer.id, 'grün');
		assert.deepEqual(answer.document.data, dataOf(60000));
		raw.close();
	});
});

test('what must not be sent compressed is refused with the right code', async () => {
	await withPair({}, async ({ daemon }) => {
		const max = (await daemon.connect()).welcome.maxMessage;
		const bomb = `{"type":"sync.create","id":"bomb","service":"s","data":{"x":"${'0'.repeat(64 << 20)}"}}`;
		const rows = [
			['not deflate', [frame(TEXT, Buffer.from([0xff, 0xff, 0xff]), { rsv: RSV1 })], 1007],
			['bad UTF-8', [frame(TEXT, compress(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), { rsv: RSV1 })], 1007],
			['RSV1 on a ping', [frame(9, '', { rsv: RSV1 })], 1002],
			['RSV2', [frame(TEXT, compress('{}'), { rsv: 6 })], 1002],
			[
				'RSV1 on a continuation',
				[frame(TEXT, 'x', { rsv: RSV1, fin: false }), frame(0, 'x', { rsv: RSV1 })],
				1002,
			],
			['binary', [frame(2, compress('{}'), { rsv: RSV1 })], 1003],
			['a bomb', [frame(TEXT, compress(bomb), { rsv: RSV1 })], 1009, 'bomb'],
			['one byte too much', [frame(TEXT, compress(`{"id":"edge",${' '.repeat(max - 13)}}`), { rsv: RSV1 })], 1009, 'edge'],
		];
		for (const [what, frames, code, id] of rows) {
			const raw = await RawWebSocket.connect(daemon.port, undefined, {
				'Sec-WebSocket-Extensions': 'permessage-deflate',
			});
			raw.write(...frames);
			if (id) {
				const error = JSON.parse((await raw.next(item => String(item.payload).includes('413'), what)).payload);
				assert.equal(error.id, id);
			}
			assert.equal(await raw.closeCode(), code, what);
			raw.close();
		}
		const client = await connectDeflate(daemon);
		const fits = `{"type":"ping","id":"fits"${' '.repeat(max - 27)}}`;
		assert.equal(fits.length, max);
		client.send(fits);
		assert.equal((await client.next(message => message.type === 'pong')).id, 'fits');
	});
});
