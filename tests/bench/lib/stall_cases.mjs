// stall_cases.mjs: what makes a worker's loop work long in one piece: each case is the worst its author could think of, within the
// default limits (documents of 1 MiB). prepare(pair) is not measured; run(pair, prepared) is, and checks what it gets.
import assert from 'node:assert/strict';
import { collectionPath, documentPath } from '../../e2e/harness.js';

const PATCH = 'application/json-patch+json',
	SERVICE = 'stall',
	OPERATIONS = 5000;

const range = (count, value) => Array.from({ length: count }, (_, i) => value(i));
const object = (count, name, value) => Object.fromEntries(range(count, i => [name(i), value(i)]));

// 5,000 members of some 170 bytes: 850 KB.
const wide = (mark = 'x') => object(5000, i => `member_${i}`, i => ({ id: i, text: mark.repeat(120), flags: [true, false, null] }));
// About 1 MB in small members, which cost the most per byte.
const small = (first = 0) => object(70000, i => `k${i + first}`, i => i % 100);
const numbers = (count, first = 0) => range(count, i => i + first);

async function put(rest, id, data) {
	const answer = await rest.put(documentPath(SERVICE, id), { data });
	assert.ok(answer.status < 300, answer.text.slice(0, 300));
	return answer;
}

// The oldest revision that can still be rebuilt.
async function oldest({ rest }, id) {
	const { json } = await rest.get(`${documentPath(SERVICE, id)}?revision=1`);
	return json.oldestRevision ?? 1;
}

async function patch({ rest }, id, operations, statuses = [200]) {
	const text = JSON.stringify(operations);
	assert.ok(text.length < 1 << 20, `a body of ${text.length} bytes`);
	const answer = await rest.patch(documentPath(SERVICE, id), text, PATCH);
	assert.ok(statuses.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`);
	return answer;
}

// A case of one patch on one document.
const patching = (data, operationsOf, statuses) => ({
	prepare: ({ rest }, id) => put(rest, id, data()),
	run: (pair, id) => patch(pair, id, range(OPERATIONS, operationsOf), statuses),
});

// A write keeps the document busy meanwhile, so that they are one batch, of one write and its twins.
async function twins({ daemon }, id) {
	const rest = daemon.client({ maxSockets: 65 });
	const merge = headers => rest.request('PATCH', documentPath(SERVICE, id), { body: { data: { k5: 'five' } }, type: 'application/json', headers });
	const [, ...answers] = await Promise.all([merge({}), ...range(64, () => merge({ 'Idempotency-Key': id }))]);
	rest.close();
	assert.equal(answers.filter(({ headers }) => headers['idempotent-replay']).length, 63);
	return answers[0];
}

const withArray = () => ({ list: numbers(100000) });

export const CASES = {
	'patch: 5,000 replace on 850 KB': patching(wide, i => ({ op: 'replace', path: `/member_${i}/id`, value: -i })),
	'patch: 5,000 of all kinds on 850 KB': patching(wide, i => {
		const path = `/member_${i}`;
		return [
			{ op: 'test', path: `${path}/id`, value: i },
			{ op: 'copy', from: path, path: `${path}/flags/1` },
			{ op: 'move', from: path, path: `/moved_${i}` },
			{ op: 'add', path: `${path}/flags/0`, value: { a: i } },
			{ op: 'remove', path: `${path}/text` },
		][i % 5];
	}),
	'patch: 5,000 replace of whole members of 850 KB': patching(wide, i => ({
		op: 'replace',
		path: `/member_${i}`,
		value: { id: i, text: 'y'.repeat(120) },
	})),
	'patch: copy of 100 KB, 5,000 times': patching(
		() => ({ a: 'x'.repeat(100000) }),
		i => ({ op: 'copy', from: '/a', path: `/b${i}` }),
		[413],
	),
	'patch: copy of 100 KB of small values onto itself': patching(
		() => ({ a: numbers(18000), b: 0 }),
		() => ({ op: 'copy', from: '/a', path: '/b' }),
		[413],
	),
	'patch: a large value moved where nothing can be': patching(
		() => ({ a: numbers(90000), b: numbers(10) }),
		i => ({ op: 'move', from: i % 2 ? '/b/x' : '/a', path: i % 2 ? '/a' : '/b/x' }),
		[409],
	),
	'patch: 2,500 add at the front of 130,000, between tests': patching(
		() => ({ a: numbers(130000), b: 0 }),
		i => (i % 2 ? { op: 'add', path: '/a/0', value: i } : { op: 'test', path: '/b', value: 0 }),
		[200, 413],
	),
	'patch: move of 900 KB to and fro': patching(
		() => ({ a: numbers(130000) }),
		i => (i % 2 ? { op: 'move', from: '/b', path: '/a' } : { op: 'move', from: '/a', path: '/b' }),
		[200, 413],
	),
	'patch: the root moved into a member, and back': patching(
		() => ({ a: numbers(100000) }),
		i => (i % 2 ? { op: 'move', from: '/a', path: '' } : { op: 'add', path: '/a', value: { a: 0 } }),
		[200, 409, 413, 422],
	),
	'patch: test of large values': patching(
		() => ({ a: numbers(60), b: small() }),
		i => ({ op: 'test', path: '/a', value: numbers(i < 4999 ? 40 : 60) }),
		[409],
	),
	'patch: 5,000 test in a wide object': patching(small, i => ({ op: 'test', path: `/k${i * 13}`, value: (i * 13) % 100 })),
	'patch: 5,000 move from front to back in 100,000': patching(withArray, () => ({ op: 'move', from: '/list/0', path: '/list/-' }), [200, 413]),
	'patch: 5,000 move from back to front in 100,000': patching(withArray, () => ({ op: 'move', from: '/list/99999', path: '/list/0' }), [200, 413]),
	'patch: 5,000 add at the front of 100,000': patching(withArray, i => ({ op: 'add', path: '/list/0', value: i }), [200, 413]),
	'patch: 5,000 remove at the front of 100,000': patching(withArray, () => ({ op: 'remove', path: '/list/0' }), [200, 413]),
	'patch: 1 operation on 1 MB of small members': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: (pair, id) => patch(pair, id, [{ op: 'replace', path: '/k5', value: 'five' }]),
	},
	'merge: 20 bytes into 1 MB of small members': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => rest.patch(documentPath(SERVICE, id), { data: { k5: 'five' } }),
	},
	'merge: 1 MB into 1 MB, all different': {
		prepare: ({ rest }, id) => put(rest, id, object(70000, i => `k${i}`, i => i % 100)),
		run: ({ rest }, id) => rest.patch(documentPath(SERVICE, id), { data: object(70000, i => `k${69999 - i}`, i => (i + 1) % 100) }),
	},
	'merge: 64 of 20 bytes into 1 MB, all with one Idempotency-Key': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: twins,
	},
	'merge: 64 of 20 bytes into 1 MB, on one WebSocket each': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		async run({ daemon }, id) {
			const clients = await Promise.all(range(64, () => daemon.connect()));
			const answers = await Promise.all(
				clients.map((client, i) => client.request({ type: 'sync.merge', service: SERVICE, documentId: id, data: { k5: i } })),
			);
			for (const client of clients) client.close();
			return { status: answers.every(({ type }) => type === 'result') ? 200 : 500 };
		},
	},
	'replace: 1 MB by 1 MB, the same names, all values different': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => put(rest, id, object(70000, i => `k${i}`, i => 99 - (i % 100))),
	},
	'replace: 1 MB by 1 MB, the same in another order': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => put(rest, id, object(70000, i => `k${(i * 33331) % 70000}`, i => ((i * 33331) % 70000) % 100)),
	},
	'replace: 1 MB by 1 MB, no name in common': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => put(rest, id, small(100000 - 30000)),
	},
	'replace: 50,000 elements by 50,000 others': {
		prepare: ({ rest }, id) => put(rest, id, { list: range(50000, i => `e${i}`) }),
		run: ({ rest }, id) => put(rest, id, { list: range(50000, i => `e${i + 1}`) }),
	},
	'replace: 1 MB of strings': {
		prepare: ({ rest }, id) => put(rest, id, wide()),
		run: ({ rest }, id) => put(rest, id, wide('y')),
	},
	'create: 1 MB of small members': {
		prepare: () => {},
		run: ({ rest }, id) => put(rest, id, small()),
	},
	'delete: 1 MB of small members': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => rest.delete(documentPath(SERVICE, id)),
	},
	'get: 1 MB': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		run: ({ rest }, id) => rest.get(documentPath(SERVICE, id)),
	},
	'batchGet: 100 documents of 1 MB': {
		async prepare({ rest }, id) {
			const data = small();
			for (let i = 0; i < 100; i++) await put(rest, `${id}.${i}`, data);
		},
		run: ({ rest }, id) => rest.post(`${collectionPath(SERVICE)}:batchGet`, { ids: range(100, i => `${id}.${i}`) }),
		statuses: [200, 413, 422],
	},
	'batchGet: 30 documents of 1 MB, all answered': {
		async prepare({ rest }, id) {
			const data = small();
			for (let i = 0; i < 30; i++) await put(rest, `${id}.${i}`, data);
		},
		run: ({ rest }, id) => rest.post(`${collectionPath(SERVICE)}:batchGet`, { ids: range(30, i => `${id}.${i}`) }),
		statuses: [200],
	},
	'batchGet: 150 times 4 documents of 1 MB at once': {
		async prepare({ rest }, id) {
			const data = small();
			for (let i = 0; i < 4; i++) await put(rest, `${id}.${i}`, data);
		},
		async run({ daemon }, id) {
			const rest = daemon.client({ maxSockets: 150 });
			const ids = range(4, i => `${id}.${i}`);
			const answers = await Promise.all(range(150, () => rest.post(`${collectionPath(SERVICE)}:batchGet`, { ids })));
			rest.close();
			return { status: Math.max(...answers.map(({ status }) => status)) };
		},
		statuses: [200],
	},
	'list: a page of documents of 1 MB with data': {
		async prepare({ rest }, id) {
			const data = small();
			for (let i = 0; i < 8; i++) await put(rest, `${id}.${i}`, data);
		},
		run: ({ rest }, id) => rest.get(`${collectionPath(SERVICE)}?data=true&page_size=1000&prefix=${id}.`),
	},
	'list: a page of 1,000 documents of 4 KB with data': {
		async prepare({ rest }, id) {
			const data = object(200, i => `k${i}`, i => `value ${i}`);
			await Promise.all(range(1000, i => put(rest, `${id}.${i}`, data)));
		},
		run: ({ rest }, id) => rest.get(`${collectionPath(SERVICE)}?data=true&page_size=1000&prefix=${id}.`),
	},
	'restore: through 98 diffs of 6 KB each': {
		async prepare(pair, id) {
			const { rest } = pair;
			await put(rest, id, { ...object(60000, i => `k${i}`, i => i % 100), n: 'x'.repeat(1500) });
			for (let i = 0; i < 98; i++) await rest.patch(documentPath(SERVICE, id), { data: { n: String(i % 10).repeat(3000) } });
			return oldest(pair, id);
		},
		run: ({ rest }, id, revision) => rest.post(`${documentPath(SERVICE, id)}/restore`, { revision }),
	},
	'restore: through 30 diffs of 500 places each': {
		async prepare(pair, id) {
			const { rest } = pair;
			await put(rest, id, small());
			for (let i = 0; i < 30; i++)
				await rest.patch(documentPath(SERVICE, id), { data: object(500, j => `k${(i * 500 + j * 7) % 70000}`, j => -(i + j + 1)) });
			return oldest(pair, id);
		},
		run: ({ rest }, id, revision) => rest.post(`${documentPath(SERVICE, id)}/restore`, { revision }),
	},
	'get: an old revision, through 98 diffs': {
		async prepare(pair, id) {
			const { rest } = pair;
			await put(rest, id, { ...object(60000, i => `k${i}`, i => i % 100), n: 0 });
			for (let i = 0; i < 98; i++) await rest.patch(documentPath(SERVICE, id), { data: { n: i } });
			return oldest(pair, id);
		},
		run: ({ rest }, id, revision) => rest.get(`${documentPath(SERVICE, id)}?revision=${revision}`),
	},
	'history: a page of 1 MB': {
		async prepare({ rest }, id) {
			await put(rest, id, small());
			for (let i = 0; i < 99; i++)
				await rest.patch(documentPath(SERVICE, id), { data: object(500, j => `k${(i * 500 + j * 7) % 70000}`, j => -(i + j + 1)) });
		},
		run: ({ rest }, id) => rest.get(`${documentPath(SERVICE, id)}/history?page_size=1000`),
	},
	'subscribe: a snapshot of 1 MB': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		async run({ daemon }, id) {
			const client = await daemon.connect();
			await client.subscribe({ topic: `sync.${SERVICE}.updated`, documentId: id, snapshot: true });
			client.close();
			return { status: 200 };
		},
	},
	'subscribe: snapshots of 100 documents of 100 KB, on one socket': {
		async prepare({ rest }, id) {
			const data = object(7000, i => `k${i}`, i => i % 100);
			for (let i = 0; i < 100; i++) await put(rest, `${id}.${i}`, data);
		},
		async run({ daemon }, id) {
			const client = await daemon.connect();
			await Promise.all(
				range(100, i => client.subscribe({ topic: `sync.${SERVICE}.updated`, documentId: `${id}.${i}`, snapshot: true })),
			);
			client.close();
			return { status: 200 };
		},
	},
	'event: 1 MB to 20 sockets, full and diff': {
		async prepare({ rest, daemon }, id) {
			await put(rest, id, small());
		},
		async run({ rest, daemon }, id) {
			const clients = await Promise.all(range(20, () => daemon.connect()));
			await Promise.all(
				clients.map((client, i) =>
					client.subscribe({ topic: `sync.${SERVICE}.*`, documentId: id, returnMode: ['full', 'diff', 'both'][i % 3] }),
				),
			);
			const answer = await put(rest, id, small(5000));
			await Promise.all(clients.map(client => client.event()));
			for (const client of clients) client.close();
			return answer;
		},
	},
	'event: 1 MB, compressed': {
		async prepare({ rest }, id) {
			await put(rest, id, wide());
		},
		async run({ rest, daemon }, id) {
			const client = await daemon.connect({ deflate: true });
			await client.subscribe({ topic: `sync.${SERVICE}.*`, documentId: id, returnMode: 'full' });
			const answer = await rest.patch(documentPath(SERVICE, id), { data: { n: 1 } });
			await client.event();
			client.close();
			return answer;
		},
	},
	'event: 1 MB that compresses badly, compressed': {
		async prepare({ rest }, id) {
			await put(rest, id, object(15000, i => `k${i}`, i => Math.random().toString(36) + Math.random().toString(36)));
		},
		async run({ rest, daemon }, id) {
			const client = await daemon.connect({ deflate: true });
			await client.subscribe({ topic: `sync.${SERVICE}.*`, documentId: id, returnMode: 'full' });
			const answer = await rest.patch(documentPath(SERVICE, id), { data: { n: 1 } });
			await client.event();
			client.close();
			return answer;
		},
	},
	'WebSocket: a patch of 5,000 operations': {
		prepare: ({ rest }, id) => put(rest, id, wide()),
		async run({ daemon }, id) {
			const client = await daemon.connect();
			const answer = await client.request({
				type: 'sync.patch',
				service: SERVICE,
				documentId: id,
				data: range(OPERATIONS, i => ({ op: 'replace', path: `/member_${i}/id`, value: -i })),
			});
			client.close();
			assert.equal(answer.type, 'result', answer.text.slice(0, 300));
			return { status: 200 };
		},
	},
	'WebSocket: 1 MB, compressed, replaces 1 MB': {
		prepare: ({ rest }, id) => put(rest, id, small()),
		async run({ daemon }, id) {
			const client = await daemon.connect({ deflate: true });
			const answer = await client.request({ type: 'sync.replace', service: SERVICE, documentId: id, data: small(7) });
			client.close();
			assert.equal(answer.type, 'result', answer.text.slice(0, 300));
			return { status: 200 };
		},
	},
	'presence: the list of 10,000 in one document': {
		async prepare({ daemon, redis }, id) {
			const key = `syncdoc:presence:${SERVICE}:${id}`;
			await daemon.rest.put(`${documentPath(SERVICE, id)}/presence/first`, { mode: 'viewing', ttl: 300 });
			const [field, value] = await redis.command('HGETALL', key).then(all => [all.find(word => String(word).includes('first')), all]);
			assert.ok(field, JSON.stringify(value));
			for (let i = 0; i < 100; i++)
				await Promise.all(
					range(100, j =>
						daemon.rest.put(`${documentPath(SERVICE, id)}/presence/user_${i * 100 + j}`, {
							mode: 'viewing',
							ttl: 300,
							data: { name: `Somebody number ${i} ${j}` },
						}),
					),
				);
		},
		run: ({ rest }, id) => rest.get(`${documentPath(SERVICE, id)}/presence`),
	},
};
