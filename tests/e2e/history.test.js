// history.test.js: old revisions read, restored, listed; what is no longer kept; Idempotency-Key after the document has moved on.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Daemon, applyDiff, assertProblem, assertStatus, collectionPath, documentPath, startPair, until } from './harness.js';

let pair, rest, redis, ws;
before(async () => {
	pair = await startPair({ settings: { workers: 2 } });
	({ rest, redis } = pair);
	ws = await pair.daemon.connect();
});
after(() => pair?.stop());

const revisionPath = (path, revision) => `${path}?revision=${revision}`;
const restore = (path, body, headers) => rest.post(`${path}/restore`, body, headers);
const PATCH = 'application/json-patch+json';

// Another daemon on the same Redis, with other limits.
async function withDaemon(settings, work) {
	const daemon = await Daemon.start({ redis, settings });
	try {
		return await work(daemon.rest, daemon);
	} finally {
		await daemon.stop();
	}
}

// All pages of a history.
async function listAll(client, path, pageSize) {
	const pages = [];
	for (let token = ''; token !== undefined;) {
		const page = assertStatus(await client.get(`${path}/history?page_size=${pageSize}${token && `&page_token=${encodeURIComponent(token)}`}`), 200);
		assert.ok(page.revisions.length <= pageSize);
		pages.push(page.revisions);
		token = page.next_page_token;
	}
	return pages;
}

// A small generator of our own, so that a failure can be run again.
function randomOf(seed) {
	let state = seed >>> 0;
	return below => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 4294967296) * below);
	};
}

const NAMES = ['a', 'b.c', 'd\\e', '', 'list', 'Ärger', '__proto__', '7'];

function randomValue(random, depth) {
	const kind = random(depth > 0 ? 10 : 6);
	if (kind >= 8)
		return Array.from({ length: random(4) }, () => randomValue(random, depth - 1));
	if (kind >= 6) {
		const object = {};
		for (let i = random(4); i > 0; i--)
			Object.defineProperty(object, NAMES[random(NAMES.length)], { value: randomValue(random, depth - 1), enumerable: true, configurable: true, writable: true });
		return object;
	}
	return [null, true, false, random(1000) - 500, random(1000) / 8, `text ${random(50)} "\n€`][kind];
}

function randomObject(random) {
	let value;
	do
		value = randomValue(random, 4);
	while (value === null || typeof value !== 'object' || Array.isArray(value));
	return value;
}

// One random write; null where it was refused (a patch that does not fit).
async function randomWrite(random, path, living) {
	if (!living)
		return random(2) ? rest.put(path, { data: randomObject(random) }) : restore(path, { revision: 1 });
	switch (random(12)) {
	case 0:
		return rest.put(path, { data: randomObject(random) });
	case 1:
		return rest.delete(path);
	case 2:
		return rest.patch(path, { data: {} });
	case 3:
	case 4: {
		const { data } = (await rest.get(path)).json;
		const ops = Object.keys(data).slice(0, 2).map(name => ({ op: 'remove', path: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` }));
		return rest.patch(path, [...ops, { op: 'add', path: '/list', value: [1, [2], { three: 3 }] }, { op: 'add', path: '/list/1', value: random(9) }], PATCH);
	}
	default:
		return rest.patch(path, { data: randomObject(random) });
	}
}

describe('time travel', () => {
	test('150 random writes on a nested document: every kept revision is the one that was answered', async () => {
		const seed = Number(process.env.SYNCDOC_TEST_SEED ?? Date.now() % 1000000);
		const random = randomOf(seed), path = documentPath('travel', 'nested');
		const recorded = [];
		let living = false;
		recorded.push((await rest.put(path, { data: { a: { b: { c: [1, { d: null }] } }, list: [] } })).json);
		living = true;
		while (recorded.length < 150) {
			let answer = await randomWrite(random, path, living);
			// revision 1 is not kept for ever
			if (answer.status === 404)
				answer = await rest.put(path, { data: randomObject(random) });
			assert.ok(answer.status === 200 || answer.status === 201, `seed ${seed}: ${answer.text}`);
			recorded.push(answer.json);
			living = !answer.json.deleted;
		}
		assert.deepEqual(recorded.map(envelope => envelope.revision), Array.from({ length: 150 }, (_, i) => i + 1));
		assert.ok(recorded.some(envelope => envelope.deleted), `seed ${seed} has a tombstone`);
		for (const envelope of recorded) {
			const answer = await rest.get(revisionPath(path, envelope.revision));
			if (envelope.revision > 50) {
				assert.deepEqual(assertStatus(answer, 200, `seed ${seed}`), envelope, `seed ${seed}, revision ${envelope.revision}`);
				assert.equal(answer.headers.etag, `"${envelope.revision}-${envelope.updatedAt}"`);
			} else {
				assert.equal(assertProblem(answer, 404, 'revision_not_kept').oldestRevision, 51);
			}
		}
		// The list tells the same story forwards.
		const revisions = (await listAll(rest, path, 33)).flat().reverse();
		assert.deepEqual(revisions.map(entry => entry.revision), Array.from({ length: 100 }, (_, i) => i + 51));
		for (const entry of revisions.slice(1)) {
			const [before, now] = [recorded[entry.revision - 2], recorded[entry.revision - 1]];
			assert.equal(entry.at, now.updatedAt);
			assert.deepEqual(applyDiff(before.data, entry.diff), now.data, `seed ${seed}, revision ${entry.revision}`);
		}
		const other = await ws.request({ type: 'sync.get', service: 'travel', documentId: 'nested', revision: 77 });
		assert.deepEqual(other.document, recorded[76]);
	});

	test('numbers and texts that do not survive a careless parser come back as they were', async () => {
		const path = documentPath('travel', 'exact');
		const texts = ['{"n":9007199254740993,"d":1.10,"e":1e21,"z":-0,"u":18446744073709551615,"s":"\\u20ac"}', '{"n":1,"d":2,"z":3}', '{}'];
		for (const text of texts)
			assert.ok((await rest.put(path, `{"data":${text}}`)).status < 300);
		const { text } = await rest.get(revisionPath(path, 1));
		for (const exact of ['9007199254740993', '18446744073709551615', '1e21', '"z":-0'])
			assert.ok(process.env.SYNCDOC_TEST_REDIS_ARGS || text.includes(exact), `${exact} in ${text}`);
	});

	test('what is asked in vain', async () => {
		const path = documentPath('travel', 'vain');
		assertStatus(await rest.put(path, { data: { a: 1 } }), 201);
		const above = assertProblem(await rest.get(revisionPath(path, 2)), 404, 'revision_not_found');
		assert.equal(above.currentRevision, 1);
		assertProblem(await rest.get(revisionPath(path, '9223372036854775807')), 404, 'revision_not_found');
		assertProblem(await rest.get(revisionPath(documentPath('travel', 'unknown'), 1)), 404, 'document_not_found');
		for (const value of ['0', '-1', '1.5', 'x', '', '9223372036854775808', '+1'])
			assertProblem(await rest.get(`${path}?revision=${encodeURIComponent(value)}`), 400, 'invalid_query');
		assertProblem(await rest.get(revisionPath(documentPath('travel', 'b%20d'), 1)), 400, 'invalid_id');
		assertProblem(await rest.post(`${path}/history`, {}), 405);
		assertProblem(await rest.get(`${path}/restore`), 405);
		assertProblem(await rest.get(`${path}/history?data=true`), 400, 'invalid_query');
	});

	test('If-None-Match holds against the tag of that revision; HEAD works', async () => {
		const path = documentPath('travel', 'tags');
		const first = await rest.put(path, { data: { a: 1 } });
		const second = await rest.put(path, { data: { a: 2 } });
		assert.equal((await rest.get(revisionPath(path, 1), { 'If-None-Match': first.headers.etag })).status, 304);
		const other = await rest.get(revisionPath(path, 1), { 'If-None-Match': second.headers.etag });
		assert.deepEqual(assertStatus(other, 200), first.json);
		assert.equal(other.headers.etag, first.headers.etag);
		assert.equal((await rest.get(revisionPath(path, 2), { 'If-None-Match': second.headers.etag })).status, 304);
		const head = await rest.request('HEAD', revisionPath(path, 1));
		assert.deepEqual([head.status, head.text, head.headers.etag], [200, '', first.headers.etag]);
	});

	test('a deleted document is 410, its history and old revisions are not', async () => {
		const path = documentPath('travel', 'dead');
		const first = (await rest.put(path, { data: { a: 1 } })).json;
		const tombstone = (await rest.delete(path)).json;
		assertProblem(await rest.get(path), 410);
		assert.deepEqual((await rest.get(revisionPath(path, 1))).json, first);
		assert.deepEqual((await rest.get(revisionPath(path, 2))).json, tombstone);
		assert.equal(tombstone.deleted, true);
		assert.deepEqual((await rest.get(`${path}/history`)).json.revisions.map(({ revision, op }) => [revision, op]), [[2, 'delete'], [1, 'create']]);
	});

	test('an expired document: the tombstone that time made is one in the history too', async () => {
		const path = documentPath('travel', 'expired');
		const first = (await rest.put(path, { data: { a: 1 }, expiresAt: Date.now() + 300 })).json;
		await until(async () => (await rest.get(path)).status === 410);
		const again = assertStatus(await restore(path, { revision: 1 }), 201);
		assert.equal(again.revision, 3);
		assert.deepEqual(again.data, first.data);
		assert.equal(again.expiresAt, undefined);
		assert.equal((await rest.get(revisionPath(path, 2))).json.deleted, true);
		assert.deepEqual((await rest.get(`${path}/history`)).json.revisions.map(entry => entry.op), ['restore', 'expire', 'create']);
	});
});

describe('list', () => {
	test('entries have revision, op, at and the diff as events have it', async () => {
		const path = documentPath('list', 'x');
		const writes = [await rest.put(path, { data: { a: 1, gone: [1, 2] } }), await rest.patch(path, { data: { gone: null, a: 2 } }),
			await rest.delete(path), await rest.put(path, { data: { 'b.c': 1 } })].map(answer => answer.json);
		const { revisions, ...rest_ } = assertStatus(await rest.get(`${path}/history`), 200);
		assert.deepEqual(rest_, {}, 'one page, nothing else');
		assert.deepEqual(revisions, [
			{ revision: 4, op: 'create', at: writes[3].updatedAt, diff: { added: { 'b\\.c': 1 }, removed: ['a'], changed: {} } },
			{ revision: 3, op: 'delete', at: writes[2].updatedAt, diff: { added: {}, removed: [], changed: {} } },
			{ revision: 2, op: 'merge', at: writes[1].updatedAt, diff: { added: {}, removed: ['gone'], changed: { a: { from: 1, to: 2 } } } },
			{ revision: 1, op: 'create', at: writes[0].updatedAt, diff: { added: { a: 1, gone: [1, 2] }, removed: [], changed: {} } },
		]);
		const answer = await ws.request({ type: 'sync.history', service: 'list', documentId: 'x' });
		assert.equal(answer.type, 'result', answer.text);
		assert.deepEqual(answer.revisions, revisions);
	});

	test('pages are newest first, without gap or repetition, also while new revisions come', async () => {
		const path = documentPath('list', 'pages');
		await rest.put(path, { data: { n: 1 } });
		for (let n = 2; n <= 23; n++)
			await rest.patch(path, { data: { n } });
		const wanted = Array.from({ length: 23 }, (_, i) => 23 - i);
		for (const size of [1, 5, 22, 23, 24, 1000]) {
			const pages = await listAll(rest, path, size);
			assert.deepEqual(pages.flat().map(entry => entry.revision), wanted);
			assert.equal(pages.length, Math.ceil(23 / size), `no empty page behind the last of ${size}`);
		}
		const first = (await rest.get(`${path}/history?page_size=10`)).json;
		await rest.patch(path, { data: { n: 24 } });
		const second = (await rest.get(`${path}/history?page_size=20&page_token=${first.next_page_token}`)).json;
		assert.deepEqual([...first.revisions, ...second.revisions].map(entry => entry.revision), wanted);
		const overSocket = await ws.request({ type: 'sync.history', service: 'list', documentId: 'pages', page_size: 20, page_token: first.next_page_token });
		assert.deepEqual(overSocket.revisions, second.revisions);
	});

	test('what is no list is refused', async () => {
		const path = documentPath('list', 'refused');
		assertProblem(await rest.get(`${path}/history`), 404, 'document_not_found');
		await rest.put(path, { data: {} });
		await rest.put(path, { data: {} });
		const { next_page_token: token } = (await rest.get(`${path}/history?page_size=1`)).json;
		assert.ok(token);
		for (const bad of ['x', '2', token.slice(0, -1), `${token}0`, `0${token}`, token.replace(/.$/, '1')])
			assertProblem(await rest.get(`${path}/history?page_token=${encodeURIComponent(bad)}`), 400, 'invalid_page_token');
		await rest.put(documentPath('list', 'other'), { data: {} });
		assertProblem(await rest.get(`${documentPath('list', 'other')}/history?page_token=${token}`), 400, 'invalid_page_token');
		for (const size of ['0', '1001', 'x', '-1'])
			assertProblem(await rest.get(`${path}/history?page_size=${size}`), 400, 'invalid_query');
		const names = { service: 'list', documentId: 'refused' };
		for (const [members, code] of [[{ page_size: 0 }, 'invalid_member'], [{ page_token: 7 }, 'invalid_member'], [{ page_token: 'x' }, 'invalid_page_token'],
			[{ documentId: undefined }, 'invalid_id'], [{ documentId: 'a b' }, 'invalid_id'], [{ documentId: 'unknown' }, 'document_not_found']]) {
			const answer = await ws.request({ type: 'sync.history', ...names, ...members });
			assert.deepEqual([answer.type, answer.code], ['error', code], answer.text);
		}
	});
});

describe('restore', () => {
	test('makes an old revision the newest, as a write like any other', async () => {
		const path = documentPath('restore', 'living');
		const subscriber = await pair.daemon.connect();
		await subscriber.subscribe({ topic: 'sync.restore.*', documentId: 'living', returnMode: 'both' });
		const first = (await rest.put(path, { data: { a: 1, nested: { list: [1, 2, 3] } } })).json;
		await rest.patch(path, { data: { a: 2, nested: { list: [] } } });
		const third = (await rest.patch(path, { data: { more: true } })).json;
		const answer = await restore(path, { revision: 1 });
		const fourth = assertStatus(answer, 200);
		assert.deepEqual(fourth, { ...first, revision: 4, updatedAt: fourth.updatedAt });
		assert.ok(fourth.updatedAt > third.updatedAt);
		assert.equal(answer.headers.etag, `"4-${fourth.updatedAt}"`);
		assert.deepEqual((await rest.get(path)).json, fourth);
		const event = await subscriber.event(({ payload }) => payload.revision === 4);
		assert.equal(event.topic, 'sync.restore.updated');
		assert.deepEqual(event.payload.data, first.data);
		assert.deepEqual(applyDiff(third.data, event.payload.diff), first.data);
		assert.equal((await rest.get(`${path}/history`)).json.revisions[0].op, 'restore');
		subscriber.close();
	});

	test('on a tombstone: 201, `created`, createdAt stays', async () => {
		const path = documentPath('restore', 'dead');
		const subscriber = await pair.daemon.connect();
		await subscriber.subscribe({ topic: 'sync.restore.*', documentId: 'dead' });
		const first = (await rest.put(path, { data: { a: 1 } })).json;
		await rest.put(path, { data: { a: 2 } });
		await rest.delete(path);
		const answer = await restore(path, { revision: 1 });
		const fourth = assertStatus(answer, 201);
		assert.equal(answer.headers.location, path);
		assert.deepEqual([fourth.revision, fourth.createdAt, fourth.data, fourth.deleted], [4, first.createdAt, { a: 1 }, undefined]);
		assert.equal((await subscriber.event(({ payload }) => payload.revision === 4)).topic, 'sync.restore.created');
		assert.equal((await rest.get(`${path}/history`)).json.revisions[0].op, 'restore');
		// The tombstone as a source: its last data, alive.
		assert.deepEqual(assertStatus(await restore(path, { revision: 3 }), 200).data, { a: 2 });
		subscriber.close();
	});

	test('the current revision: a revision with an empty diff', async () => {
		const path = documentPath('restore', 'same');
		await rest.put(path, { data: { a: 1 } });
		assert.equal(assertStatus(await restore(path, { revision: 1 }), 200).revision, 2);
		assert.deepEqual((await rest.get(`${path}/history`)).json.revisions[0].diff, { added: {}, removed: [], changed: {} });
	});

	test('conditions and lifetime hold as for other writes, before the revision is looked at', async () => {
		const path = documentPath('restore', 'conditions');
		await rest.put(path, { data: { a: 1 } });
		const second = await rest.put(path, { data: { a: 2 } });
		for (const revision of [1, 9]) {
			const conflict = assertProblem(await restore(path, { revision, expectedRevision: 1 }), 409, 'revision_conflict');
			assert.deepEqual([conflict.currentRevision, conflict.document], [2, second.json]);
			assertProblem(await restore(path, { revision, expectedRevision: 0 }), 409, 'revision_conflict');
			assertProblem(await restore(path, { revision }, { 'If-Match': '"1-1"' }), 412, 'precondition_failed');
			assertProblem(await restore(path, { revision }, { 'If-None-Match': '*' }), 412, 'precondition_failed');
		}
		assertProblem(await restore(path, { revision: 9 }), 404, 'revision_not_found');
		const third = assertStatus(await restore(path, { revision: 1, expectedRevision: 2, ttl: 3600 }, { 'If-Match': second.headers.etag }), 200);
		assert.equal(third.expiresAt, third.updatedAt + 3600000);
		assertStatus(await rest.delete(path), 200);
		assertProblem(await restore(path, { revision: 1, expectedRevision: 3 }), 409, 'revision_conflict');
		assertProblem(await restore(path, { revision: 1 }, { 'If-Match': '*' }), 412);
		assertStatus(await restore(path, { revision: 1, expectedRevision: 0 }), 201);
		for (const conditions of [{}, { expectedRevision: 3 }])
			assertProblem(await restore(documentPath('restore', 'unknown'), { revision: 1, ...conditions }), 404, 'document_not_found');
	});

	test('what is no restore', async () => {
		const path = documentPath('restore', 'faults');
		await rest.put(path, { data: {} });
		for (const [body, status, code] of [[{}, 422, 'revision_missing'], [{ revision: 0 }, 400, 'invalid_member'], [{ revision: '1' }, 400, 'invalid_member'],
			[{ revision: 1.5 }, 400, 'invalid_member'], [{ revision: null }, 400, 'invalid_member'], [{ revision: 1, data: {} }, 422, 'unknown_member'],
			[{ revision: 1, more: 1 }, 422, 'unknown_member'], [[], 422, 'body_not_object'], ['{', 400, 'json_malformed'], ['', 400, 'json_malformed']]) {
			assertProblem(await restore(path, body), status, code, JSON.stringify(body));
		}
		assertProblem(await rest.request('POST', `${path}/restore`, { body: '{"revision":1}', type: 'text/plain' }), 415);
		assertProblem(await rest.post(`${path}/restore?x=1`, { revision: 1 }), 400, 'invalid_query');
		assert.equal((await rest.get(path)).json.revision, 1);
		for (const members of [{}, { revision: 0 }, { revision: 'x' }, { revision: 1, data: {} }])
			assert.equal((await ws.request({ type: 'sync.restore', service: 'restore', documentId: 'faults', ...members })).type, 'error');
		assert.equal((await ws.request({ type: 'sync.replace', service: 'restore', documentId: 'faults', data: {}, revision: 1 })).code, 'unknown_member');
		assert.equal((await ws.request({ type: 'sync.get', service: 'restore', documentId: 'faults', revision: 0 })).code, 'invalid_member');
	});

	test('over the WebSocket, with the connection in the event', async () => {
		const names = { service: 'restore', documentId: 'socket' };
		await ws.subscribe({ topic: 'sync.restore.updated', documentId: 'socket' });
		await ws.request({ type: 'sync.create', ...names, data: { a: 1 } });
		await ws.request({ type: 'sync.replace', ...names, data: { a: 2 } });
		assert.equal((await ws.request({ type: 'sync.restore', ...names, revision: 1, expectedRevision: 1 })).code, 'revision_conflict');
		const answer = await ws.request({ type: 'sync.restore', ...names, revision: 1, expectedRevision: 2 });
		assert.deepEqual([answer.type, answer.document?.revision, answer.document?.data], ['result', 3, { a: 1 }], answer.text);
		const event = await ws.event(({ payload }) => payload.documentId === 'socket' && payload.revision === 3);
		assert.equal(event.payload.connectionId, ws.welcome.connectionId);
		assert.deepEqual((await ws.request({ type: 'sync.get', ...names, revision: 2 })).document.data, { a: 2 });
		const gone = await ws.request({ type: 'sync.get', ...names, revision: 7 });
		assert.deepEqual([gone.status, gone.code, gone.currentRevision], [404, 'revision_not_found', 3]);
	});

	test('among many writers each restore is a revision of its own with that data', async () => {
		const path = documentPath('restore', 'race');
		const first = (await rest.put(path, { data: { first: true } })).json;
		const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 4 ? rest.patch(path, { data: { [`k${i}`]: i } }) : restore(path, { revision: 1 }))));
		const envelopes = answers.map(answer => assertStatus(answer, 200)).sort((a, b) => a.revision - b.revision);
		assert.deepEqual(envelopes.map(envelope => envelope.revision), Array.from({ length: 40 }, (_, i) => i + 2));
		for (const envelope of answers.filter((_, i) => i % 4 === 0).map(answer => answer.json))
			assert.deepEqual(envelope.data, first.data);
		for (const envelope of envelopes)
			assert.deepEqual((await rest.get(revisionPath(path, envelope.revision))).json, envelope);
	});
});

describe('what is kept', () => {
	test('a history cut by its bytes: what is listed can be read, the rest tells the oldest', () => withDaemon({ 'history.max_bytes': '8KiB' }, async client => {
		const path = documentPath('kept', 'bytes');
		const recorded = [];
		for (let n = 0; n < 60; n++)
			recorded.push((await client.put(path, { data: { text: `${n}`.repeat(200), n } })).json);
		const revisions = (await listAll(client, path, 7)).flat();
		const oldest = revisions.at(-1).revision;
		assert.ok(revisions.length < 40 && revisions.length > 3, `${revisions.length} are kept`);
		for (const envelope of recorded) {
			const answer = await client.get(revisionPath(path, envelope.revision));
			if (envelope.revision >= oldest)
				assert.deepEqual(assertStatus(answer, 200), envelope);
			else
				assert.equal(assertProblem(answer, 404, 'revision_not_kept').oldestRevision, oldest);
		}
		const refusal = assertProblem(await client.post(`${path}/restore`, { revision: 1 }), 404, 'revision_not_kept');
		assert.equal(refusal.oldestRevision, oldest);
		assert.equal((await client.get(path)).json.revision, 60);
		const message = await ws.request({ type: 'sync.get', service: 'kept', documentId: 'bytes', revision: 1 });
		assert.deepEqual([message.code, message.oldestRevision], ['revision_not_kept', oldest]);
	}));

	test('an entry too large for the budget ends what can be rebuilt', () => withDaemon({ 'history.max_bytes': '4KiB' }, async client => {
		const path = documentPath('kept', 'large');
		await client.put(path, { data: { n: 1 } });
		const second = (await client.put(path, { data: { n: 2 } })).json;
		assert.deepEqual((await client.get(revisionPath(path, 2))).json, second);
		const third = (await client.put(path, { data: { n: 3, text: 'x'.repeat(6000) } })).json;
		const fourth = (await client.patch(path, { data: { n: 4 } })).json;
		assert.deepEqual((await client.get(revisionPath(path, 3))).json, third, 'after it the way back is open');
		assert.deepEqual((await client.get(revisionPath(path, 4))).json, fourth);
		for (const revision of [1, 2])
			assert.equal(assertProblem(await client.get(revisionPath(path, revision)), 404, 'revision_not_kept').oldestRevision, 3);
		const entry = (await client.get(`${path}/history`)).json.revisions.find(({ revision }) => revision === 3);
		assert.deepEqual(entry, { revision: 3, op: 'replace', at: third.updatedAt });
	}));

	test('history.max = 0: an empty list, and only the current revision', () => withDaemon({ 'history.max': 0 }, async client => {
		const path = documentPath('kept', 'none');
		const [, second] = [(await client.put(path, { data: { n: 1 } })).json, (await client.put(path, { data: { n: 2 } })).json];
		assert.deepEqual(assertStatus(await client.get(`${path}/history`), 200), { revisions: [] });
		assert.equal(assertProblem(await client.get(revisionPath(path, 1)), 404, 'revision_not_kept').oldestRevision, 2);
		assert.deepEqual(assertStatus(await client.get(revisionPath(path, 2)), 200), second);
		assertProblem(await client.post(`${path}/restore`, { revision: 1 }), 404, 'revision_not_kept');
		assert.equal(assertStatus(await client.post(`${path}/restore`, { revision: 2 }), 200).revision, 3);
	}));

	test('more entries than one step takes are read in several', () => withDaemon({ 'history.max': 10000, 'history.max_bytes': '64MiB' }, async client => {
		const path = documentPath('kept', 'long');
		const text = letter => letter.repeat(60000);
		const recorded = [];
		for (let n = 0; n < 30; n++)
			recorded.push((await client.put(path, { data: { text: text('abc'[n % 3]), n } })).json);
		for (const revision of [1, 2, 15, 29, 30])
			assert.deepEqual(assertStatus(await client.get(revisionPath(path, revision)), 200), recorded[revision - 1]);
		const pages = await listAll(client, path, 1000);
		assert.ok(pages.length > 1, 'a page ends early by its bytes');
		assert.deepEqual(pages.flat().map(entry => entry.revision), Array.from({ length: 30 }, (_, i) => 30 - i));
	}));

	test('a history that does not fit its document is an error, not a wrong answer', async () => {
		const path = documentPath('kept', 'foreign'), key = 'syncdoc:history:{syncdoc:data:kept:foreign}';
		for (let n = 1; n <= 3; n++)
			await rest.put(path, { data: { n } });
		await redis.command('DEL', key);
		const entry = (revision, at, diff) => redis.command('XADD', key, `${revision}-0`, 'op', 'replace', 'at', `${at}`, 'by', 'ann', 'seq', '1', 'req', 'r', 'key', '', 'sum', '1', 'diff', diff);
		const { updatedAt } = (await rest.get(path)).json;
		await entry(1, updatedAt - 2, '{"added":{},"removed":{},"changed":{}}');
		await entry(2, updatedAt - 1, 'no diff');
		await entry(3, updatedAt, '{"added":{},"removed":{},"changed":{"n":{"from":7,"to":8}}}');
		assertProblem(await rest.get(revisionPath(path, 2)), 500, 'stored_document_invalid');
		assert.deepEqual(assertStatus(await rest.get(`${path}/history`), 200).revisions.map(({ revision, diff }) => [revision, diff !== undefined]), [[3, true], [2, false], [1, true]]);
		// Of another chain of revisions: the newest entry is not that of the newest revision.
		await redis.command('DEL', key);
		await entry(2, updatedAt - 1, '{"added":{},"removed":{},"changed":{}}');
		assert.equal(assertProblem(await rest.get(revisionPath(path, 2)), 404, 'revision_not_kept').oldestRevision, 3);
		await redis.command('DEL', key);
		await entry(2, updatedAt - 1, '{"added":{},"removed":{},"changed":{}}');
		await entry(3, updatedAt + 5, '{"added":{},"removed":{},"changed":{}}');
		assert.equal(assertProblem(await rest.get(revisionPath(path, 2)), 404, 'revision_not_kept').oldestRevision, 3);
	});

	test('while Redis is stopped, asking is 503', async () => {
		const path = documentPath('kept', 'away');
		await rest.put(path, { data: {} });
		await rest.put(path, { data: {} });
		redis.process.kill('SIGSTOP');
		try {
			const answers = await Promise.all([rest.get(revisionPath(path, 1)), rest.get(`${path}/history`), restore(path, { revision: 1 })]);
			for (const answer of answers)
				assertProblem(answer, 503, 'redis_unavailable');
		} finally {
			redis.process.kill('SIGCONT');
		}
		await pair.daemon.waitUntilReady();
		assert.equal((await rest.get(path)).json.revision, 2);
	});
});

describe('Idempotency-Key', () => {
	const keyed = key => ({ 'Idempotency-Key': key });
	function assertReplay(answer, envelope) {
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.headers['idempotent-replay'], 'true');
		assert.equal(answer.headers.etag, `"${envelope.revision}-${envelope.updatedAt}"`);
		assert.deepEqual(answer.json, envelope);
	}

	test('a replay after further writes answers that revision again and writes nothing', async () => {
		const path = documentPath('idempotent', 'moved');
		const writes = [
			[() => rest.put(path, { data: { a: 1, b: { c: [1] } } }, keyed('k1'))],
			[() => rest.patch(path, { data: { a: 2, b: null } }, undefined, keyed('k2'))],
			[() => rest.patch(path, [{ op: 'add', path: '/x', value: [1, 2] }], PATCH, keyed('k3'))],
			[() => rest.delete(path, keyed('k4'))],
			[() => restore(path, { revision: 1 }, keyed('k5'))],
			[() => rest.put(path, { data: { end: true } }, keyed('k6'))],
		];
		for (const write of writes)
			write.push((await write[0]()).json);
		assert.deepEqual(writes.map(([, envelope]) => envelope.revision), [1, 2, 3, 4, 5, 6]);
		for (const [send, envelope] of writes)
			assertReplay(await send(), envelope);
		assert.equal((await rest.get(path)).json.revision, 6);
	});

	test('a create with an id that is sent again gets what it made, also when that has changed or is gone', async () => {
		const path = documentPath('idempotent', 'made');
		const create = () => rest.post(collectionPath('idempotent'), { id: 'made', data: { a: 1 } }, keyed('c1'));
		const first = assertStatus(await create(), 201);
		await rest.patch(path, { data: { a: 2 } });
		assertReplay(await create(), first);
		await rest.delete(path);
		assertReplay(await create(), first);
		assertProblem(await rest.get(path), 410);
	});

	test('a condition that held then is not judged again', async () => {
		const path = documentPath('idempotent', 'condition');
		await rest.put(path, { data: { n: 1 } });
		const send = () => rest.put(path, { data: { n: 2 }, expectedRevision: 1 }, keyed('once'));
		const second = assertStatus(await send(), 200);
		for (let n = 3; n <= 8; n++)
			await rest.put(path, { data: { n } });
		assertReplay(await send(), second);
	});

	test('of two at the same time one writes, the other gets its answer', async () => {
		for (let round = 0; round < 20; round++) {
			const path = documentPath('idempotent', `pair${round}`);
			await rest.put(path, { data: { n: 0 } });
			const clients = [rest, pair.daemon.client({ keepAlive: false })];
			const answers = await Promise.all(clients.map((client, i) => client.patch(path, { data: { n: 1, by: i } }, undefined, keyed('same'))));
			clients[1].close();
			const replays = answers.filter(answer => answer.headers['idempotent-replay']);
			assert.equal(replays.length, 1);
			assert.deepEqual(answers[0].json, answers[1].json);
			assert.equal(answers[0].json.revision, 2);
			assert.equal((await rest.get(path)).json.revision, 2);
		}
	});

	test('equal keys among many writes that go as one batch', async () => {
		const path = documentPath('idempotent', 'batch');
		await rest.put(path, { data: {} });
		const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => rest.patch(path, { data: { [`k${i % 10}`]: i % 10 } }, undefined, keyed(`key${i % 10}`))));
		for (let k = 0; k < 10; k++) {
			const same = answers.filter((_, i) => i % 10 === k);
			assert.equal(same.filter(answer => !answer.headers['idempotent-replay']).length, 1);
			for (const answer of same)
				assert.deepEqual(assertStatus(answer, 200), same[0].json);
		}
		assert.equal((await rest.get(path)).json.revision, 11);
	});

	test('only the last 20 entries are looked at', async () => {
		const path = documentPath('idempotent', 'far');
		const send = () => rest.put(path, { data: { n: 0 } }, keyed('far'));
		const first = assertStatus(await send(), 201);
		for (let n = 1; n < 20; n++)
			await rest.put(path, { data: { n } });
		assertReplay(await send(), first);
		await rest.put(path, { data: { n: 20 } });
		const again = await send();
		assert.equal(again.headers['idempotent-replay'], undefined);
		assert.equal(assertStatus(again, 200).revision, 22);
	});

	test('a key whose revision can no longer be rebuilt is 409, and nothing is written', () => withDaemon({ 'history.max_bytes': '4KiB' }, async client => {
		const path = documentPath('idempotent', 'lost');
		const send = () => client.put(path, { data: { n: 1 } }, keyed('lost'));
		assertStatus(await send(), 201);
		await client.put(path, { data: { text: 'x'.repeat(6000) } });
		const refusal = assertProblem(await send(), 409, 'idempotency_key_used');
		assert.equal(refusal.currentRevision, 2);
		assert.equal((await client.get(path)).json.revision, 2);
	}));
});
