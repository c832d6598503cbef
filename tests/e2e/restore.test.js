// restore.test.js: an old revision becomes the newest, a write like any other.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { applyDiff, assertProblem, assertStatus, documentPath, revisionPath, startPair } from './harness.js';

let pair, rest, ws;
before(async () => {
	pair = await startPair({ settings: { workers: 2 } });
	({ rest } = pair);
	ws = await pair.daemon.connect();
});
after(() => pair?.stop());

const restore = (path, body, headers) => rest.post(`${path}/restore`, body, headers);

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
