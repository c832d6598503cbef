// large.test.js: documents of about 1 MB: right, whole and in order, although their writes take several turns of the loop.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { collectionPath, documentPath, scrape, startPair } from './harness.js';

const SERVICE = 'large',
	PATCH = 'application/json-patch+json';

let pair, rest;
before(async () => {
	pair = await startPair({ settings: { 'documents.max_size': '1MiB', 'ring.size': '32MiB', 'redis.timeout': 60 } });
	rest = pair.rest;
});
after(() => pair.stop());

const range = (count, value) => Array.from({ length: count }, (_, i) => value(i));

test('a patch of 5,000 operations on 600 KB does what each of them says', async () => {
	const path = documentPath(SERVICE, 'patched');
	const data = { list: range(50000, i => i), ...Object.fromEntries(range(5000, i => [`m${i}`, { id: i, text: 'x'.repeat(40) }])) };
	await rest.put(path, { data });
	const operations = range(5000, i => {
		const kinds = [
			{ op: 'replace', path: `/m${i}/id`, value: i + 1 },
			{ op: 'move', from: '/list/0', path: '/list/-' },
			{ op: 'add', path: '/list/25000', value: `new ${i}` },
			{ op: 'remove', path: `/m${i}` },
			{ op: 'test', path: `/m${i}/text`, value: 'x'.repeat(40) },
		];
		return kinds[i % kinds.length];
	});
	const answer = await rest.patch(path, operations, PATCH);
	assert.equal(answer.status, 200, answer.text.slice(0, 300));
	for (const { op, path: where, value } of operations) {
		const [, name] = where.split('/');
		if (op === 'replace') data[name].id = value;
		else if (op === 'move') data.list.push(data.list.shift());
		else if (op === 'add') data.list.splice(25000, 0, value);
		else if (op === 'remove') delete data[name];
	}
	assert.deepEqual(answer.json.data, data);
	assert.deepEqual((await rest.get(path)).json.data, data);
});

test('writes of one large document are done in their order, those of others meanwhile', async () => {
	const path = documentPath(SERVICE, 'ordered');
	const text = 'x'.repeat(500000);
	const events = await pair.daemon.connect();
	await events.subscribe({ topic: `sync.${SERVICE}.*`, documentId: 'ordered', returnMode: 'diff' });
	const socket = await pair.daemon.connect();
	const write = (documentId, data) => socket.request({ type: 'sync.merge', service: SERVICE, documentId, data });
	await rest.put(path, { data: { text, n: 0 } });
	await rest.put(documentPath(SERVICE, 'other'), { data: {} });
	const answers = await Promise.all([
		...range(10, i => write('ordered', { n: i + 1, ...(i % 2 ? {} : { text: `${text}${i}` }) })),
		write('other', { done: true }),
	]);
	const revisions = answers.map(({ document }) => document.revision);
	assert.deepEqual(revisions, [...range(10, i => i + 2), 2]);
	for (let revision = 2; revision <= 11; revision++) {
		const { payload } = await events.event(({ payload }) => payload.revision === revision);
		assert.deepEqual(payload.diff.changed.n, { from: revision - 2, to: revision - 1 });
	}
	events.close();
	socket.close();
});

test('100 documents come in the order asked for, however large they are together', async () => {
	await Promise.all(range(100, i => rest.put(documentPath(SERVICE, `many_${i}`), { data: { i, text: 'x'.repeat((i % 10) * 30000) } })));
	const ids = range(100, i => `many_${(i * 37) % 100}`);
	const answer = await rest.post(`${collectionPath(SERVICE)}:batchGet`, { ids });
	assert.equal(answer.status, 200);
	assert.deepEqual(
		answer.json.items.map(({ id }) => id),
		ids,
	);
	for (const { data } of answer.json.items) assert.equal(data.text.length, (data.i % 10) * 30000);
});

test('batchGet of more than 32 MiB is refused, and says what to do', async () => {
	for (let i = 0; i < 35; i++) {
		const { status, text } = await rest.put(documentPath(SERVICE, `big_${i}`), { data: { text: 'x'.repeat(1000000) } });
		assert.equal(status, 201, text.slice(0, 300));
	}
	const ask = count => rest.post(`${collectionPath(SERVICE)}:batchGet`, { ids: range(count, i => `big_${i}`) });
	const refused = await ask(35);
	assert.equal(refused.status, 413);
	assert.equal(refused.json.code, 'batch_too_large');
	assert.equal((await ask(30)).json.items.length, 30);
});

test('many large batchGets at once take turns with each other, and writes go on', async () => {
	const before = (await scrape(rest)).value('syncdoc_list_waits_total');
	const client = pair.daemon.client({ maxSockets: 40 });
	const ids = range(4, i => `big_${i}`);
	const reads = range(30, () => client.post(`${collectionPath(SERVICE)}:batchGet`, { ids }));
	const writes = range(100, n => rest.put(documentPath(SERVICE, 'beside'), { data: { n } }));
	for (const { status, text } of await Promise.all(writes)) assert.ok(status < 300, text.slice(0, 300));
	for (const { status, json } of await Promise.all(reads)) assert.deepEqual([status, json.items.length], [200, 4]);
	assert.ok((await scrape(rest)).value('syncdoc_list_waits_total') > before);
});

test('how long turns of the loop take is told', async () => {
	const metrics = await scrape(rest);
	assert.ok(metrics.value('syncdoc_loop_turn_seconds_count') > 100);
	assert.ok(metrics.value('syncdoc_loop_turn_longest_seconds') > 0);
	assert.ok(metrics.value('syncdoc_loop_turn_longest_seconds') <= metrics.value('syncdoc_loop_turn_seconds_sum'));
});
