// storage.test.js: what stands in Redis after writes is what section 4 of the contract says: other programs read it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
	assertProblem,
	assertStatus,
	collectionPath,
	documentPath,
	inTime,
	keys,
	startPair,
	until,
	withDaemon,
} from './harness.js';

const DAY_MS = 86400000,
	TOMBSTONE_MS = 7 * DAY_MS,
	SLACK_MS = 60000;
const settings = { 'redis.encoding': 'string' };
let pair, rest, redis;
before(async () => {
	pair = await startPair({ settings });
	({ rest, redis } = pair);
});
after(() => pair?.stop());

// [[id, {field: value}], …], oldest first; the order of fields is kept
async function history(service, id) {
	const entries = await redis.command('XRANGE', keys.history(service, id), '-', '+');
	return entries.map(([entry, fields]) => {
		const object = {};
		for (let i = 0; i < fields.length; i += 2) object[fields[i]] = fields[i + 1];
		return [entry, object];
	});
}

const score = async (key, member) => {
	const text = await redis.command('ZSCORE', key, member);
	return text === null ? null : Number(text);
};

async function assertNet(key, atMs) {
	const left = await redis.command('PTTL', key);
	if (atMs === null) assert.equal(left, -1, key);
	else
		assert.ok(
			Math.abs(Date.now() + left - atMs) < SLACK_MS,
			`${key} goes at ${Date.now() + left}, should be ${atMs}`,
		);
}

describe('envelope', () => {
	test('is the text that GET sends, members in the order of the contract', async () => {
		const stored = () => redis.command('GET', keys.data('text', 'x'));
		const path = documentPath('text', 'x');
		const put = await rest.put(path, '{ "data" : {"b": [ ],  "a":1e21} , "ttl":100}');
		const { updatedAt } = assertStatus(put, 201);
		assert.equal(await stored(), put.text);
		assert.equal(
			put.text,
			`{"revision":1,"updatedAt":${updatedAt},"createdAt":${updatedAt},"expiresAt":${updatedAt + 100000},` +
				'"service":"text","id":"x","data":{"b": [ ],  "a":1e21}}',
		);
		const deleted = await rest.delete(path);
		assert.equal(await stored(), deleted.text);
		assert.equal(
			deleted.text,
			`{"revision":2,"updatedAt":${deleted.json.updatedAt},"createdAt":${updatedAt},"deleted":true,` +
				'"service":"text","id":"x","data":{"b": [ ],  "a":1e21}}',
		);
	});

	test('is a plain string under syncdoc:data:{service}:{id}', async () => {
		await rest.put(documentPath('plain', 'a.b:c@d-e_f'), { data: {} });
		assert.equal(await redis.command('TYPE', 'syncdoc:data:plain:a.b:c@d-e_f'), 'string');
	});
});

describe('history', () => {
	test('has an entry <revision>-0 with all fields for every write', async () => {
		const path = documentPath('stream', 'x');
		const writes = [
			['create', await rest.put(path, { data: { a: 1, gone: { x: [1] }, same: true } })],
			['replace', await rest.put(path, { data: { a: 2, same: true } }, { 'Idempotency-Key': 'key-1' })],
			['merge', await rest.patch(path, { data: { b: [1, 2, 3] } })],
			['patch', await rest.patch(path, [{ op: 'remove', path: '/b/1' }], 'application/json-patch+json')],
			['delete', await rest.delete(path)],
			['create', await rest.put(path, { data: { new: 1 } })],
		];
		const entries = await history('stream', 'x');
		assert.deepEqual(
			entries.map(([id]) => id),
			writes.map((_, i) => `${i + 1}-0`),
		);
		let sum = 0,
			sequence = 0;
		const requests = new Set();
		for (const [i, [, entry]] of entries.entries()) {
			const [op, answer] = writes[i];
			assert.deepEqual(Object.keys(entry), ['op', 'at', 'by', 'seq', 'req', 'key', 'sum', 'diff']);
			assert.equal(entry.op, op);
			assert.equal(Number(entry.at), answer.json.updatedAt);
			assert.equal(entry.by, '');
			assert.ok(Number(entry.seq) > sequence);
			sequence = Number(entry.seq);
			assert.ok(entry.req.length >= 16);
			requests.add(entry.req);
			assert.equal(entry.key, i === 1 ? 'key-1' : '');
			assert.ok(Number(entry.sum) >= sum + entry.diff.length, 'the running byte sum counts the diff');
			sum = Number(entry.sum);
		}
		assert.equal(requests.size, entries.length);
		assert.equal(sequence, Number(await redis.command('GET', keys.sequence)));
		// reversible: with the removed values
		assert.deepEqual(JSON.parse(entries[1][1].diff), {
			added: {},
			removed: { gone: { x: [1] } },
			changed: { a: { from: 1, to: 2 } },
		});
		assert.deepEqual(JSON.parse(entries[3][1].diff), {
			added: {},
			removed: { 'b.2': 3 },
			changed: { 'b.1': { from: 2, to: 3 } },
		});
		assert.deepEqual(JSON.parse(entries[4][1].diff), { added: {}, removed: {}, changed: {} });
		assert.deepEqual(JSON.parse(entries[5][1].diff).added, { new: 1 });
	});

	test('an expired document gets its own entry before the write that finds it', async () => {
		const path = documentPath('stream', 'expired');
		await inTime(300, async ms => assertStatus(await rest.put(path, { data: { a: 1 }, expiresAt: Date.now() + ms }), 201));
		await until(async () => (await rest.get(path)).status === 410);
		assertStatus(await rest.post(collectionPath('stream'), { id: 'expired', data: { b: 1 } }), 201);
		assert.deepEqual(
			(await history('stream', 'expired')).map(([id, entry]) => [id, entry.op]),
			[
				['1-0', 'create'],
				['2-0', 'expire'],
				['3-0', 'create'],
			],
		);
	});
});

describe('zsets', () => {
	test('index, names, services and the sequence follow every write', async () => {
		const sequence = async () => Number(await redis.command('GET', keys.sequence));
		for (const id of ['b', 'a', 'c']) {
			const before = await sequence();
			await rest.put(documentPath('zsets', id), { data: {} });
			assert.equal(await sequence(), before + 1);
			assert.equal(await score(keys.index('zsets'), id), before + 1);
			assert.equal(await score(keys.services, 'zsets'), before + 1);
		}
		await rest.patch(documentPath('zsets', 'b'), { data: { x: 1 } });
		assert.deepEqual(await redis.command('ZRANGE', keys.index('zsets'), 0, -1), ['a', 'c', 'b']);
		assert.deepEqual(await redis.command('ZRANGEBYLEX', keys.names('zsets'), '-', '+'), ['a', 'b', 'c']);
		assert.equal(await score(keys.names('zsets'), 'a'), 0);
		assert.deepEqual(await redis.command('ZRANGE', keys.deleted('zsets'), 0, -1), []);
	});

	test('a refused write changes nothing at all', async () => {
		await rest.put(documentPath('refused', 'x'), { data: {} });
		const before = await redis.command('GET', keys.sequence);
		assertProblem(await rest.put(documentPath('refused', 'x'), { data: {}, expectedRevision: 9 }), 409);
		assertProblem(await rest.patch(documentPath('refused', 'y'), { data: {} }), 404);
		assert.equal(await redis.command('GET', keys.sequence), before);
		assert.equal((await history('refused', 'x')).length, 1);
		assert.deepEqual(
			(await redis.command('KEYS', '*refused*')).sort(),
			[
				keys.data('refused', 'x'),
				keys.history('refused', 'x'),
				keys.index('refused'),
				keys.names('refused'),
			].sort(),
		);
	});

	test('tombstones stand in `deleted` by purge time, and data and history get a net', async () => {
		const path = documentPath('dead', 'x'),
			dataKey = keys.data('dead', 'x'),
			historyKey = keys.history('dead', 'x');
		await rest.put(path, { data: {} });
		await assertNet(dataKey, null);
		const { updatedAt } = assertStatus(await rest.delete(path), 200);
		assert.equal(await score(keys.deleted('dead'), 'x'), updatedAt + TOMBSTONE_MS);
		await assertNet(dataKey, updatedAt + TOMBSTONE_MS + DAY_MS);
		await assertNet(historyKey, updatedAt + TOMBSTONE_MS + DAY_MS);
		await rest.put(path, { data: {} });
		assert.equal(await score(keys.deleted('dead'), 'x'), null);
		await assertNet(dataKey, null);
		await assertNet(historyKey, null);
	});

	test('expiry holds what expires, and only that', async () => {
		const path = documentPath('expiry', 'x'),
			member = 'expiry:x',
			dataKey = keys.data('expiry', 'x');
		const { expiresAt } = assertStatus(await rest.put(path, { data: {}, ttl: 1000 }), 201);
		assert.equal(await score(keys.expiry, member), expiresAt);
		await assertNet(dataKey, expiresAt + TOMBSTONE_MS + DAY_MS);
		await rest.patch(path, { data: { a: 1 } });
		assert.equal(await score(keys.expiry, member), expiresAt);
		await rest.patch(path, { data: {}, ttl: null });
		assert.equal(await score(keys.expiry, member), null);
		await assertNet(dataKey, null);
		await assertNet(keys.history('expiry', 'x'), null);
		await rest.put(path, { data: {}, ttl: 1000 });
		await rest.delete(path);
		assert.equal(await score(keys.expiry, member), null);
	});
});

describe('channel', () => {
	test('carries each event as text in the order of the contract, without position', async () => {
		const listener = await redis.connect();
		await listener.subscribe(keys.channel('chan', 'x'));
		const ws = await pair.daemon.connect();
		const path = documentPath('chan', 'x');
		const empty = '"diff":{"added":{},"removed":[],"changed":{}}';
		const text = (event, envelope, more, data, diff) =>
			`{"type":"event","topic":"sync.chan.${event}","source":"sync","timestamp":${envelope.updatedAt},"payload":{"service":"chan",` +
			`"documentId":"x","revision":${envelope.revision}${more},"data":${data},${diff}}}`;

		let envelope = (await rest.put(path, '{"data":{"a":[],"n":1e21}}')).json;
		assert.equal(
			(await listener.nextMessage()).text,
			text(
				'created',
				envelope,
				'',
				'{"a":[],"n":1e21}',
				'"diff":{"added":{"a":[],"n":1e21},"removed":[],"changed":{}}',
			),
		);
		envelope = (await ws.request({ type: 'sync.replace', service: 'chan', documentId: 'x', data: { n: 2 } }))
			.document;
		assert.equal(
			(await listener.nextMessage()).text,
			text(
				'updated',
				envelope,
				`,"connectionId":"${ws.welcome.connectionId}"`,
				'{"n":2}',
				'"diff":{"added":{},"removed":["a"],"changed":{"n":{"from":1e21,"to":2}}}',
			),
		);
		envelope = (await rest.delete(path)).json;
		assert.equal(
			(await listener.nextMessage()).text,
			text('deleted', envelope, ',"deleted":true', '{"n":2}', empty),
		);
		ws.close();
		listener.close();
	});
});

describe('limits of the history', () => {
	const withLimits = (more, run) => withDaemon({ redis, settings: { ...settings, ...more } }, ({ rest }) => run(rest));

	test('history.max keeps the newest', () =>
		withLimits({ 'history.max': 5 }, async client => {
			for (let i = 0; i < 12; i++) await client.put(documentPath('short', 'x'), { data: { i } });
			assert.deepEqual(
				(await history('short', 'x')).map(([id]) => id),
				['8-0', '9-0', '10-0', '11-0', '12-0'],
			);
		}));

	test('history.max_bytes is not exceeded; an entry above it carries no diff', () =>
		withLimits({ 'history.max_bytes': '4KiB' }, async client => {
			const path = documentPath('bytes', 'x');
			for (let i = 0; i < 40; i++) await client.put(path, { data: { text: String(i).repeat(150) } });
			const entries = await history('bytes', 'x');
			const size = entries.reduce((total, [, entry]) => total + Object.values(entry).join('').length, 0);
			assert.ok(size <= 4096 + entries.length * 40, `${size} bytes in ${entries.length} entries`);
			assert.ok(entries.length >= 3 && entries.at(-1)[0] === '40-0', `${entries.length} entries`);
			await client.put(path, { data: { text: 'x'.repeat(5000) } });
			const [id, large] = (await history('bytes', 'x')).at(-1);
			assert.equal(id, '41-0');
			assert.equal(large.diff, undefined);
			assert.equal(large.op, 'replace');
		}));

	test('history.max = 0: no stream, and no Idempotency-Key', () =>
		withLimits({ 'history.max': 0 }, async client => {
			const path = documentPath('none', 'x');
			assert.equal(assertStatus(await client.put(path, { data: { a: 1 } }), 201).revision, 1);
			assert.equal(assertStatus(await client.put(path, { data: { a: 2 } }), 200).revision, 2);
			assert.equal(await redis.command('EXISTS', keys.history('none', 'x')), 0);
			assertProblem(
				await client.put(path, { data: {} }, { 'Idempotency-Key': 'k' }),
				422,
				'idempotency_unavailable',
			);
		}));
});

test('what was never a document under a data key is an error and stays as it is', async () => {
	for (const [id, ...command] of [
		['text', 'SET', keys.data('foreign', 'text'), 'hello'],
		['list', 'RPUSH', keys.data('foreign', 'list'), 'hello'],
		['json', 'SET', keys.data('foreign', 'json'), '{"revision":1}'],
	]) {
		await redis.command(...command);
		assertProblem(await rest.get(documentPath('foreign', id)), 500, 'stored_document_invalid');
		assertProblem(await rest.put(documentPath('foreign', id), { data: {} }), 500);
		assert.equal(await redis.command('TYPE', keys.data('foreign', id)), id === 'list' ? 'list' : 'string');
	}
	assert.equal(await redis.command('GET', keys.data('foreign', 'text')), 'hello');
});
