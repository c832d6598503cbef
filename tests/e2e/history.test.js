// history.test.js: old revisions read and listed, and what is no longer kept.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { applyDiff, assertProblem, assertStatus, documentPath, inTime, randomOf, revisionPath, startPair, until, withDaemon } from './harness.js';

let pair, rest, redis, ws;
before(async () => {
	pair = await startPair({ settings: { workers: 2 } });
	({ rest, redis } = pair);
	ws = await pair.daemon.connect();
});
after(() => pair?.stop());

const restore = (path, body, headers) => rest.post(`${path}/restore`, body, headers);
const PATCH = 'application/json-patch+json';

// On the same Redis, with other limits.
const withLimits = (settings, run) => withDaemon({ redis, settings }, ({ rest: client }) => run(client));

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

const NAMES = ['a', 'b.c', 'd\\e', '', 'list', 'Ärger', '__proto__', '7'];

function randomValue(random, depth) {
	const kind = random.below(depth > 0 ? 10 : 6);
	if (kind >= 8)
		return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
	if (kind >= 6) {
		const object = {};
		for (let i = random.below(4); i > 0; i--)
			Object.defineProperty(object, random.pick(NAMES), { value: randomValue(random, depth - 1), enumerable: true, configurable: true, writable: true });
		return object;
	}
	return [null, true, false, random.below(1000) - 500, random.below(1000) / 8, `text ${random.below(50)} "\n€`][kind];
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
		return random.below(2) ? rest.put(path, { data: randomObject(random) }) : restore(path, { revision: 1 });
	switch (random.below(12)) {
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
		return rest.patch(path, [...ops, { op: 'add', path: '/list', value: [1, [2], { three: 3 }] }, { op: 'add', path: '/list/1', value: random.below(9) }], PATCH);
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
		const first = await inTime(300, async ms => assertStatus(await rest.put(path, { data: { a: 1 }, expiresAt: Date.now() + ms }), 201));
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

describe('what is kept', () => {
	test('a history cut by its bytes: what is listed can be read, the rest tells the oldest', () => withLimits({ 'history.max_bytes': '8KiB' }, async client => {
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

	test('an entry too large for the budget ends what can be rebuilt', () => withLimits({ 'history.max_bytes': '4KiB' }, async client => {
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

	test('history.max = 0: an empty list, and only the current revision', () => withLimits({ 'history.max': 0 }, async client => {
		const path = documentPath('kept', 'none');
		const [, second] = [(await client.put(path, { data: { n: 1 } })).json, (await client.put(path, { data: { n: 2 } })).json];
		assert.deepEqual(assertStatus(await client.get(`${path}/history`), 200), { revisions: [] });
		assert.equal(assertProblem(await client.get(revisionPath(path, 1)), 404, 'revision_not_kept').oldestRevision, 2);
		assert.deepEqual(assertStatus(await client.get(revisionPath(path, 2)), 200), second);
		assertProblem(await client.post(`${path}/restore`, { revision: 1 }), 404, 'revision_not_kept');
		assert.equal(assertStatus(await client.post(`${path}/restore`, { revision: 2 }), 200).revision, 3);
	}));

	test('more entries than one step takes are read in several', () => withLimits({ 'history.max': 10000, 'history.max_bytes': '64MiB' }, async client => {
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

	test('while Redis is stopped, asking is 503', () => withLimits({ 'redis.timeout': 2 }, async client => {
		const path = documentPath('kept', 'away');
		await rest.put(path, { data: {} });
		await rest.put(path, { data: {} });
		redis.process.kill('SIGSTOP');
		try {
			const answers = await Promise.all([client.get(revisionPath(path, 1)), client.get(`${path}/history`), client.post(`${path}/restore`, { revision: 1 })]);
			for (const answer of answers)
				assertProblem(answer, 503, 'redis_unavailable');
		} finally {
			redis.process.kill('SIGCONT');
		}
		await pair.daemon.waitUntilReady();
		assert.equal((await rest.get(path)).json.revision, 2);
	}));
});
