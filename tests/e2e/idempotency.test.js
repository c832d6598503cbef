// idempotency.test.js: a write sent again with its Idempotency-Key, after the document has moved on.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, collectionPath, documentPath, startPair, withDaemon } from './harness.js';

let pair, rest, redis;
before(async () => {
	pair = await startPair({ settings: { workers: 2 } });
	({ rest, redis } = pair);
});
after(() => pair?.stop());

const restore = (path, body, headers) => rest.post(`${path}/restore`, body, headers);
const PATCH = 'application/json-patch+json';

// On the same Redis, with other limits.
const withLimits = (settings, run) => withDaemon({ redis, settings }, ({ rest: client }) => run(client));

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

	test('a create without an id that is sent again makes no second document', async () => {
		const create = (key, data = { a: 1 }) => rest.post(collectionPath('unnamed'), { data }, keyed(key));
		const first = assertStatus(await create('order-7'), 201);
		assert.match(first.id, /^doc_[0-9a-z]{12}$/);
		await rest.patch(documentPath('unnamed', first.id), { data: { a: 2 } });
		assertReplay(await create('order-7'), first);
		const answers = await Promise.all(Array.from({ length: 8 }, () => create('order-8')));
		assert.equal(answers.filter(answer => answer.status === 201).length, 1);
		for (const answer of answers) assert.deepEqual(answer.json, answers[0].json);
		const ids = assertStatus(await rest.get(collectionPath('unnamed')), 200).items.map(({ id }) => id);
		assert.deepEqual(ids.sort(), [first.id, answers[0].json.id].sort());
		const elsewhere = assertStatus(await rest.post(collectionPath('unnamed2'), {}, keyed('order-7')), 201);
		assert.notEqual(elsewhere.id, first.id);
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

	test('a key whose revision can no longer be rebuilt is 409, and nothing is written', () => withLimits({ 'history.max_bytes': '4KiB' }, async client => {
		const path = documentPath('idempotent', 'lost');
		const send = () => client.put(path, { data: { n: 1 } }, keyed('lost'));
		assertStatus(await send(), 201);
		await client.put(path, { data: { text: 'x'.repeat(6000) } });
		const refusal = assertProblem(await send(), 409, 'idempotency_key_used');
		assert.equal(refusal.currentRevision, 2);
		assert.equal((await client.get(path)).json.revision, 2);
	}));
});
