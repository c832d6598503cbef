// stream_resume.test.js: event streams that come back with Last-Event-ID get what they missed, once and in order, or are told to read again.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EventStream, assertStatus, documentPath, eventsPath, randomOf, startPair, topicsPath, turn, until } from './harness.js';

const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);

let pair, rest;
const opened = [];
before(async () => {
	process.stdout.write(`# seed ${seed}\n`);
	pair = await startPair({ settings: { workers: 2, 'ws.ping_interval': 1, 'history.max': 400 } });
	({ rest } = pair);
});
after(async () => {
	for (const stream of opened) stream.close();
	await pair?.stop();
});

async function open(path, lastId, daemon = pair.daemon) {
	const stream = await EventStream.open(daemon.port, path, { headers: lastId === undefined ? {} : { 'Last-Event-ID': lastId } });
	assert.equal(stream.status, 200, stream.text);
	opened.push(stream);
	return stream;
}
async function write(service, id, data, by = rest) {
	const answer = await by.put(documentPath(service, id), { data });
	assert.ok(answer.status === 200 || answer.status === 201, answer.text);
	return answer.json;
}
async function writeMany(service, id, count) {
	for (let i = 1; i <= count; i++) await write(service, id, { n: i, list: [i, { i }] });
}
const nameOf = ({ payload }) => `${payload.documentId}:${payload.revision}`;
const names = stream => stream.messages.filter(message => message.type === 'event').map(nameOf);
const resyncs = stream => stream.messages.filter(message => message.type === 'resync');
const sequence = async () => Number((await pair.redis.command('GET', 'syncdoc:sequence')) ?? 0);
const numberOf = id => Number(id.split('-')[1].split('.')[0]);

// An id that covers all writes so far: positions of subscribes are the same text, and come at once.
async function idNow() {
	const wanted = await sequence();
	return until(
		async () => {
			const ws = await pair.daemon.connect();
			const { position } = await ws.subscribe({ topic: 'sync.none.*' });
			ws.close();
			return numberOf(position) >= wanted && position;
		},
		undefined,
		'a position for all writes',
	);
}

// Nothing but comments until a position not below all writes so far has come: the replay is over then.
async function assertNothingMore(stream, count) {
	const wanted = await sequence();
	await until(() => numberOf(stream.lastId) >= wanted && !stream.lastId.includes('.'), undefined, () => `a position from ${wanted} on; it is ${stream.lastId}`);
	assert.equal(stream.events.length, count, JSON.stringify(stream.messages.slice(count)).slice(0, 2000));
}

describe('what was missed', () => {
	test('nothing: no event, no resync, and then what is new', async () => {
		await writeMany('nothing', 'a', 2);
		for (const path of [eventsPath('nothing', 'a'), topicsPath('sync.nothing.*')]) {
			const stream = await open(path, await idNow());
			await assertNothingMore(stream, 0);
			const { revision } = await write('nothing', 'a', { n: 3 });
			await stream.waitFor(1);
			assert.deepEqual(names(stream), [`a:${revision}`]);
		}
	});

	for (const returnMode of ['full', 'diff', 'both'])
		test(`everything that can happen to documents, as a WebSocket gets it by \`after\` (${returnMode})`, async () => {
			const service = `all-${returnMode}`;
			await writeMany(service, 'before', 2);
			const id = await idNow();
			await writeMany(service, 'a', 3);
			await write(service, 'before', { text: 'é\u2028\n"\\' });
			assertStatus(await rest.delete(documentPath(service, 'before')), 200);
			assertStatus(await rest.post(`${documentPath(service, 'before')}/restore`, { revision: 1 }), 201);
			await write(service, 'b', { b: [] });
			assertStatus(await rest.put(documentPath(service, 'short'), { data: {}, ttl: 1 }), 201);
			const isGone = async () => (await rest.get(documentPath(service, 'short'))).status === 410;
			await until(isGone);
			await write('elsewhere', 'a', {});
			await until(async () => (await rest.get(`${documentPath(service, 'short')}/history`)).json.revisions?.length === 2, undefined, 'the expiry as a write');
			const ws = await pair.daemon.connect();
			await ws.subscribe({ topic: `sync.${service}.*`, returnMode, after: id });
			await until(() => ws.events.length >= 9);
			const stream = await open(`${topicsPath(`sync.${service}.*`)}&returnMode=${returnMode}`, id);
			await stream.waitFor(9);
			assert.deepEqual(stream.messages, ws.events);
			assert.deepEqual(
				stream.messages.filter(message => ['before', 'short'].includes(message.payload.documentId)).map(message => message.topic.split('.')[2]),
				['updated', 'deleted', 'created', 'created', 'expired'],
			);
			await assertNothingMore(stream, 9);
			ws.close();
			// One document, by the same id.
			const one = await open(eventsPath(service, 'before', `?returnMode=${returnMode}`), id);
			await one.waitFor(3);
			assert.deepEqual(one.messages, ws.events.filter(event => event.payload.documentId === 'before'));
			await assertNothingMore(one, 3);
		});

	test('before the first event ever: the id of a stream that got none', async () => {
		const first = await open(topicsPath('sync.first.*'));
		await until(() => first.lastId);
		first.close();
		await writeMany('first', 'a', 2);
		await writeMany('first', 'b', 1);
		const stream = await open(topicsPath('sync.first.*'), first.lastId);
		await stream.waitFor(3);
		assert.deepEqual(names(stream), ['a:1', 'a:2', 'b:1']);
		const one = await open(eventsPath('first', 'b'), first.lastId);
		await one.waitFor(1);
		assert.deepEqual(names(one), ['b:1']);
		const unknown = await open(eventsPath('first', 'never'), first.lastId);
		await assertNothingMore(unknown, 0);
		await write('first', 'never', {});
		await unknown.waitFor(1);
		assert.deepEqual(names(unknown), ['never:1']);
	});

	test('topics that overlap, prefixes, single events: each event once', async () => {
		const id = await idNow();
		await writeMany('one', 'u42-a', 2);
		await writeMany('two', 'u42-a', 2);
		await writeMany('one', 'u43-a', 2);
		const got = async (path, wanted) => {
			const stream = await open(path, id);
			await stream.waitFor(wanted.length);
			assert.deepEqual(
				stream.messages.map(message => `${message.payload.service}/${nameOf(message)}`),
				wanted,
			);
			await assertNothingMore(stream, wanted.length);
		};
		await got(topicsPath('sync.one.*', 'sync.*.created'), ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:1', 'one/u43-a:1', 'one/u43-a:2']);
		await got(topicsPath('sync.one.created', 'sync.two.updated', 'sync.one.updated'), ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:2', 'one/u43-a:1', 'one/u43-a:2']);
		await got(`${topicsPath('sync.one.*', 'sync.two.*')}&documentPrefix=u42-`, ['one/u42-a:1', 'one/u42-a:2', 'two/u42-a:1', 'two/u42-a:2']);
		await got(`${topicsPath('sync.*.updated')}&documentId=u42-a`, ['one/u42-a:2', 'two/u42-a:2']);
		await got(eventsPath('one', 'u43-a', '?event=updated&event=deleted'), ['u43-a'].map(name => `one/${name}:2`));
	});

	test('one document in a service where thousands have changed', async () => {
		const id = await idNow();
		await writeMany('busy', 'mine', 2);
		// As if: the index is all that is looked at.
		await pair.redis.command('EVAL', "for i = 1, 10001 do redis.call('ZADD', 'syncdoc:index:busy', redis.call('INCR', 'syncdoc:sequence'), 'd' .. i) end", '0');
		const stream = await open(eventsPath('busy', 'mine'), id);
		await stream.waitFor(2);
		assert.deepEqual(names(stream), ['mine:1', 'mine:2']);
		const wide = await open(topicsPath('sync.busy.*', 'sync.none.*'), id);
		await wide.waitFor(2);
		assert.deepEqual(resyncs(wide).map(({ topic, reason }) => `${topic} ${reason}`).sort(), ['sync.busy.* history', 'sync.none.* history']);
		await assertNothingMore(wide, 2);
	});
});

describe('a replay that is broken off', () => {
	const COUNT = 12,
		REVISIONS = 3;

	test('goes on behind the documents that were told, whichever event was the last', async () => {
		const id = await idNow();
		for (let d = 0; d < COUNT; d++) await writeMany('broken', `d${d}`, REVISIONS);
		const whole = await open(topicsPath('sync.broken.*'), id);
		await whole.waitFor(COUNT * REVISIONS);
		const all = names(whole);
		for (let k = 0; k < all.length; k += k < 6 ? 1 : 5) {
			const stream = await open(topicsPath('sync.broken.*'), whole.events[k].id);
			// Only a document that was not told to its end comes again.
			const wanted = all.slice(k % REVISIONS === REVISIONS - 1 ? k + 1 : k - (k % REVISIONS));
			await stream.waitFor(wanted.length);
			assert.deepEqual(names(stream), wanted, `behind ${all[k]} (${whole.events[k].id})`);
			await assertNothingMore(stream, wanted.length);
		}
	});

	test('again and again, while the same documents are written: nothing is lost, and it ends', async () => {
		const id = await idNow();
		for (let d = 0; d < COUNT; d++) await writeMany('again', `d${d}`, REVISIONS);
		const held = new Map();
		let lastId = id,
			written = 0;
		for (let round = 0; round < 30; round++) {
			const stream = await open(topicsPath('sync.again.*'), lastId);
			const writing = write('again', `d${(round * 5) % COUNT}`, { round });
			written++;
			await until(() => stream.events.length);
			await writing;
			stream.close();
			for (const { payload } of stream.messages) {
				const revision = held.get(payload.documentId) ?? 0;
				assert.ok(payload.revision <= revision + 1, `${payload.documentId}: ${payload.revision} behind ${revision}`);
				held.set(payload.documentId, Math.max(revision, payload.revision));
			}
			({ lastId = lastId } = stream);
		}
		const last = await open(topicsPath('sync.again.*'), lastId);
		await until(() => {
			for (const { payload } of last.messages) held.set(payload.documentId, Math.max(held.get(payload.documentId) ?? 0, payload.revision));
			return [...held.values()].reduce((sum, revision) => sum + revision, 0) === COUNT * REVISIONS + written;
		});
		assert.deepEqual(resyncs(last), []);
	});
});

describe('what cannot be replayed is a resync, never a refusal', () => {
	async function told(path, id, reasons) {
		const stream = await open(path, id);
		await stream.waitFor(reasons.length);
		assert.deepEqual(resyncs(stream).map(({ topic, reason }) => `${topic} ${reason}`).sort(), reasons);
		// It stands in the present now.
		await until(() => /^[0-9a-f]{8}-\d+$/.test(stream.lastId) && stream.lastId !== id);
		const { revision } = await write('told', 'a', {});
		await until(() => names(stream).includes(`a:${revision}`));
		assert.deepEqual(names(stream), [`a:${revision}`]);
		const again = await open(path, stream.lastId);
		await until(() => numberOf(again.lastId ?? 'x-0') >= numberOf(stream.lastId));
		assert.deepEqual(resyncs(again), []);
		stream.close();
		again.close();
	}

	test('malformed', async () => {
		for (const id of ['1', 'x', '01234567-', '01234567-1.', '01234567-5.4', '0'.repeat(200), '01234567-1 2'])
			await told(topicsPath('sync.told.*'), id, ['sync.told.* invalid_position']);
		await told(topicsPath('sync.told.*', 'sync.else.created'), '7', ['sync.else.created invalid_position', 'sync.told.* invalid_position']);
	});

	test('empty is as if it were not there', async () => {
		const stream = await open(topicsPath('sync.told.*'), '');
		await until(() => stream.comments.length >= 2);
		assert.deepEqual(stream.events, []);
	});

	test('of another primary', async () => {
		await told(topicsPath('sync.told.*', 'sync.else.*'), '00000000-1', ['sync.else.* failover', 'sync.told.* failover']);
		await told(eventsPath('told', 'a'), '00000000-1.2', ['sync.told.* failover']);
	});

	test('of the future', async () => {
		const [run] = (await idNow()).split('-');
		await told(topicsPath('sync.told.*'), `${run}-${9e15}`, ['sync.told.* rollback']);
		await told(topicsPath('sync.told.*'), `${run}-1.${9e15}`, ['sync.told.* rollback']);
	});

	test('so old that tombstones are gone', async () => {
		const id = await idNow();
		await write('told', 'a', {});
		await pair.redis.command('SET', 'syncdoc:purged', String(await sequence()));
		await idNow();
		await told(topicsPath('sync.told.*'), id, ['sync.told.* history']);
		await pair.redis.command('DEL', 'syncdoc:purged');
	});

	test('one document without history: read that one again, the others are replayed', async () => {
		const id = await idNow();
		await writeMany('gone', 'a', 2);
		await writeMany('gone', 'b', 2);
		await writeMany('gone', 'c', 2);
		await pair.redis.command('DEL', 'syncdoc:history:{syncdoc:data:gone:b}');
		const stream = await open(topicsPath('sync.gone.created', 'sync.gone.updated'), id);
		await stream.waitFor(5);
		assert.deepEqual(stream.messages.map(message => message.reason ?? nameOf(message)), ['a:1', 'a:2', 'history', 'c:1', 'c:2']);
		const [resync] = resyncs(stream);
		assert.deepEqual(resync, { type: 'resync', topic: 'sync.gone.*', service: 'gone', documentId: 'b', reason: 'history' });
		const rest = await open(topicsPath('sync.gone.created', 'sync.gone.updated'), stream.events[2].id);
		await rest.waitFor(2);
		assert.deepEqual(names(rest), ['c:1', 'c:2']);
		await assertNothingMore(rest, 2);
	});
});

test('a browser is told when to come back, and that the line is alive, without losing its place', async () => {
	const id = await idNow();
	const stream = await open(topicsPath('sync.quiet.*'), id);
	assert.equal(stream.headers['content-type'], 'text/event-stream');
	await until(() => stream.comments.includes('ping'));
	assert.ok(stream.text.startsWith('retry: 1000\n\n'), stream.text);
	assert.ok(numberOf(stream.lastId) >= numberOf(id));
});

test('streams that are dropped at random moments: every revision in order, none missing, no resync', async () => {
	const random = randomOf(seed),
		ids = Array.from({ length: 12 }, (_, i) => `r${i}`),
		newest = new Map();
	const start = await idNow();
	const take = client => {
		const { stream } = client;
		for (; client.taken < stream.events.length; client.taken++) {
			const { id, json } = stream.events[client.taken];
			client.lastId = id;
			if (json.type !== 'event') {
				client.faults.push(JSON.stringify(json));
				continue;
			}
			const { documentId, revision } = json.payload;
			const held = client.held.get(documentId) ?? 0;
			if (revision > held + 1) client.faults.push(`${documentId}: ${revision} behind ${held}`);
			client.held.set(documentId, Math.max(held, revision));
		}
	};
	const clients = Array.from({ length: 8 }, (_, i) => ({
		path: i % 2 ? topicsPath('sync.drop.*') : eventsPath('drop', ids[i]),
		ids: i % 2 ? ids : [ids[i]],
		held: new Map(),
		lastId: start,
		faults: [],
		random: randomOf(seed + i),
	}));
	const connect = async client => {
		client.stream = await open(client.path, client.lastId);
		client.taken = 0;
	};
	let over = false;
	const running = clients.map(async client => {
		await connect(client);
		while (!over) {
			await turn(client.random.below(100));
			client.stream.close();
			take(client);
			await connect(client);
		}
	});
	await Promise.all(
		Array.from({ length: 3 }, async () => {
			for (let i = 0; i < 150; i++) {
				const id = random.pick(ids);
				const { revision } = await write('drop', id, { i });
				newest.set(id, Math.max(revision, newest.get(id) ?? 0));
			}
		}),
	);
	over = true;
	await Promise.all(running);
	for (const client of clients) {
		const isComplete = () => {
			take(client);
			return client.ids.every(id => !newest.has(id) || client.held.get(id) === newest.get(id));
		};
		await until(isComplete, undefined, () => `${JSON.stringify([...client.held])} of ${JSON.stringify([...newest])}`);
		assert.deepEqual(client.faults, []);
		client.stream.close();
	}
});

test('Redis does not answer: the stream waits and then gets all of it', async () => {
	const own = await startPair({ settings: { 'redis.timeout': 0.3, 'ws.ping_interval': 1 } });
	try {
		const put = n => own.rest.put(documentPath('away', 'a'), { data: { n } });
		const first = await open(eventsPath('away', 'a'), undefined, own.daemon);
		await until(() => first.lastId);
		first.close();
		for (let n = 1; n <= 3; n++) assert.ok((await put(n)).status < 300);
		own.redis.process.kill('SIGSTOP');
		const stream = await open(eventsPath('away', 'a'), first.lastId, own.daemon);
		// Asked for later than the stream did, and with the same patience.
		assert.equal((await own.rest.get(documentPath('away', 'a'))).status, 503);
		own.redis.process.kill('SIGCONT');
		await until(() => stream.revisions.length >= 3);
		assert.deepEqual(stream.revisions.slice(0, 3), [1, 2, 3]);
		stream.close();
	} finally {
		await own.stop();
	}
});

test('a reload ends streams in good order; who comes back misses nothing', async () => {
	const first = await open(topicsPath('sync.reload.*'), await idNow());
	let over = false,
		written = 0;
	const writer = (async () => {
		const client = pair.daemon.client({ keepAlive: false });
		while (!over) written = (await write('reload', 'a', { n: written }, client)).revision;
	})();
	const revisions = [];
	let stream = first;
	for (let reloads = 0; reloads < 2; reloads++) {
		await until(() => stream.events.length >= 3);
		pair.daemon.process.kill('SIGHUP');
		await until(() => stream.end, undefined, 'the end of the stream');
		assert.equal(stream.end, 'end');
		revisions.push(...stream.revisions);
		assert.deepEqual(resyncs(stream), []);
		stream = await open(topicsPath('sync.reload.*'), stream.lastId);
	}
	over = true;
	await writer;
	await until(() => stream.revisions.at(-1) === written);
	revisions.push(...stream.revisions);
	let held = 0;
	for (const revision of revisions) {
		assert.ok(revision <= held + 1, `${revision} behind ${held}`);
		held = Math.max(held, revision);
	}
});

test('thousands of missed documents and a reader that stops: nothing is read ahead of it, and all comes', async () => {
	const DOCUMENTS = 1500,
		MORE = 40;
	const own = await startPair({ settings: { 'ws.queue': '64KiB', 'ws.stall_timeout': 600, 'history.max': 5 } });
	const reads = async () => Number(/cmdstat_xrevrange:calls=(\d+)/.exec(await own.redis.command('INFO', 'commandstats'))?.[1] ?? 0);
	try {
		const first = await open(topicsPath('sync.many.*'), undefined, own.daemon);
		await until(() => first.lastId);
		first.close();
		const text = 'x'.repeat(20000);
		let next = 0;
		await Promise.all(
			Array.from({ length: 8 }, async () => {
				while (next < DOCUMENTS) await write('many', `d${next++}`, { text }, own.rest);
			}),
		);
		const stream = await open(topicsPath('sync.many.*'), first.lastId, own.daemon);
		stream.response.pause();
		let last = -1,
			same = 0;
		await until(
			async () => {
				const now = await reads();
				same = now === last ? same + 1 : 0;
				last = now;
				return now && same >= 50;
			},
			undefined,
			() => `the replay waits for its reader; it has made ${last} reads`,
		);
		assert.ok(last < DOCUMENTS, `${last} reads of ${DOCUMENTS} documents while nothing is taken`);
		// More than ws.queue of live events, meanwhile.
		for (let d = 0; d < MORE; d++) await write('many', `more${d}`, { text: text.slice(0, 4000) }, own.rest);
		stream.response.resume();
		await stream.waitFor(DOCUMENTS + MORE);
		assert.equal(new Set(names(stream)).size, DOCUMENTS + MORE);
		assert.deepEqual(resyncs(stream), []);
		stream.close();
	} finally {
		await own.stop();
	}
});
