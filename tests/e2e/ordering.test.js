// ordering.test.js: many writers at once, REST and WebSocket mixed, on two workers: everybody sees every revision once and in order.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { applyDiff, assertStatus, documentPath, randomOf, startPair, until } from './harness.js';

const WRITERS = 8,
	WRITES = 40,
	MODES = ['full', 'diff', 'both'];
const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
let pair, rest;
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000 } });
	({ rest } = pair);
	process.stdout.write(`# seed ${seed}\n`);
});
after(() => pair?.stop());

// One of: a function that does it over REST, or over WebSocket; both give the envelope.
function randomWrite(random, writer, ws, service, id) {
	const name = `w${writer}`,
		path = documentPath(service, id),
		value = { n: random.below(1000), list: Array.from({ length: random.below(5) }, (_, i) => i) };
	const patch = [{ op: 'add', path: `/${name}`, value }];
	const rest200 = promise => promise.then(answer => assertStatus(answer, 200));
	const result = message =>
		ws.request({ service, documentId: id, ...message }).then(answer => {
			assert.equal(answer.type, 'result', answer.text);
			return answer.document;
		});
	const ways = [
		() => rest200(rest.patch(path, { data: { [name]: value } })),
		() => rest200(rest.patch(path, { [name]: value }, 'application/merge-patch+json')),
		() => rest200(rest.patch(path, patch, 'application/json-patch+json')),
		() => rest200(rest.put(path, { data: { [name]: value, 'dot.ted': random.below(9) } })),
		() => result({ type: 'sync.merge', data: { [name]: value } }),
		() => result({ type: 'sync.patch', data: patch }),
		() => result({ type: 'sync.replace', data: { [name]: value } }),
		() => result({ type: 'sync.merge', data: { [name]: null, [`w${random.below(WRITERS)}`]: null } }),
	];
	return random.pick(ways)();
}

async function writeAll(service, ids) {
	const acknowledged = [];
	await Promise.all(
		Array.from({ length: WRITERS }, async (_, writer) => {
			const ws = await pair.daemon.connect(),
				random = randomOf(seed + writer);
			for (let i = 0; i < WRITES; i++)
				acknowledged.push(await randomWrite(random, writer, ws, service, random.pick(ids)));
			ws.close();
		}),
	);
	return acknowledged;
}

const revisionsOf = (events, id) =>
	events.filter(event => event.payload.documentId === id).map(event => event.payload.revision);

function assertConsistent(subscriber, mode, id, envelopes) {
	const events = subscriber.events.filter(event => event.payload.documentId === id);
	let held = {};
	for (const event of events) {
		const { payload } = event,
			envelope = envelopes.get(payload.revision);
		assert.equal(event.timestamp, envelope.updatedAt);
		assert.equal('data' in payload, mode !== 'diff');
		if (mode !== 'diff') assert.deepEqual(payload.data, envelope.data);
		if (mode !== 'full') {
			held = applyDiff(held, payload.diff);
			assert.deepEqual(held, envelope.data, `revision ${payload.revision}, diff ${JSON.stringify(payload.diff)}`);
		}
	}
}

async function runWriters(service, ids) {
	const subscribers = [];
	for (let i = 0; i < 6; i++) {
		const ws = await pair.daemon.connect(),
			returnMode = MODES[i % 3];
		await ws.subscribe({ topic: i < 3 ? `sync.${service}.*` : 'sync.*.*', returnMode });
		subscribers.push([ws, returnMode]);
	}
	const first = [];
	for (const id of ids)
		first.push(assertStatus(await rest.put(documentPath(service, id), { data: { start: id } }), 201));
	const acknowledged = [...first, ...(await writeAll(service, ids))];
	for (const id of ids) {
		const envelopes = new Map(
			acknowledged.filter(envelope => envelope.id === id).map(envelope => [envelope.revision, envelope]),
		);
		const last = envelopes.size;
		const wanted = Array.from({ length: last }, (_, i) => i + 1);
		assert.deepEqual(
			[...envelopes.keys()].sort((a, b) => a - b),
			wanted,
			'every write has a revision of its own',
		);
		for (const [ws, mode] of subscribers) {
			await until(
				() => revisionsOf(ws.events, id).at(-1) === last,
				undefined,
				() => `revision ${last}; got ${revisionsOf(ws.events, id)}`,
			);
			assert.deepEqual(revisionsOf(ws.events, id), wanted);
			assertConsistent(ws, mode, id, envelopes);
		}
		assert.deepEqual((await rest.get(documentPath(service, id))).json, envelopes.get(last));
	}
	for (const [ws] of subscribers) ws.close();
}

test('8 writers on one document', () => runWriters('one', ['x']));
test('8 writers on five documents', () => runWriters('five', ['a', 'b', 'c', 'd', 'e']));

test('who subscribes in the middle gets everything from one revision on, and nothing before `subscribed`', async () => {
	const path = documentPath('middle', 'x');
	assertStatus(await rest.put(path, { data: { n: 0 } }), 201);
	let writing = true;
	const writer = (async () => {
		let last;
		for (let n = 1; writing; n++) last = assertStatus(await rest.put(path, { data: { n } }), 200);
		return last;
	})();
	const clients = [];
	for (let i = 0; i < 20; i++) {
		const ws = await pair.daemon.connect();
		await ws.subscribe({ topic: 'sync.middle.*', documentId: 'x' });
		const after = (await rest.get(path)).json;
		clients.push({ ws, after });
	}
	writing = false;
	const last = await writer;
	for (const { ws, after } of clients) {
		const subscribed = ws.messages.findIndex(message => message.type === 'subscribed');
		// Whoever has the state of `after` must miss nothing behind it.
		if (last.revision > after.revision) await until(() => revisionsOf(ws.events, 'x').at(-1) === last.revision);
		const revisions = revisionsOf(ws.events, 'x');
		assert.ok(ws.messages.findIndex(message => message.type === 'event') > subscribed || !revisions.length);
		assert.ok(
			!revisions.length || revisions[0] <= after.revision + 1,
			'no hole behind what a read after `subscribed` shows',
		);
		assert.deepEqual(
			revisions,
			Array.from({ length: revisions.length }, (_, i) => revisions[0] + i),
		);
		ws.close();
	}
});

test('a slow document does not hold up the others: answers of one connection come for all its requests', async () => {
	const ws = await pair.daemon.connect();
	const wanted = [];
	for (let i = 0; i < 300; i++) {
		ws.send({ type: 'sync.create', service: 'many', documentId: `d${i % 60}`, data: { i }, id: i });
		wanted.push(ws.next(message => message.id === i));
	}
	const answers = await Promise.all(wanted);
	assert.equal(answers.filter(answer => answer.type === 'result').length, 60);
	for (const answer of answers.filter(one => one.type === 'error')) assert.equal(answer.code, 'document_exists');
	ws.close();
});
