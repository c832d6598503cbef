// metrics_moves.test.js: figures that move when what they count happens, of those that no test of the thing itself looks at.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	EventStream,
	RawWebSocket,
	assertProblem,
	assertStatus,
	bearer,
	documentPath,
	eventsPath,
	exchange,
	frame,
	handshake,
	jwtSettings,
	makeDirectory,
	revisionPath,
	scrape,
	secret,
	startPair,
	tokensOf,
	until,
	withPair,
	writeFile,
} from './harness.js';
import { ControlClient, askControl, controlPath } from './lib/control.js';
import { presencePath } from './lib/presence.js';

const BINARY = 2;
const WRITES = 100;
const STREAMS_MAX = 2;
const HISTORY_MAX = 2;
const PRESENCE_MAX = 100; // of a connection: workers/presence.h
const TOKENS_MAX = 1024; // workers/token_cache.h
const CONTROL_MAX = 8; // daemon/control.h

let pair, daemon, rest;
before(async () => {
	pair = await startPair({
		settings: {
			workers: 1,
			trusted_proxies: '127.0.0.1',
			drain_timeout: 1,
			'limits.streams': STREAMS_MAX,
			'history.max': HISTORY_MAX,
			'ws.ping_interval': 3,
		},
	});
	({ daemon, rest } = pair);
});
after(() => pair?.stop());

const write = async (id, data = {}) => {
	const answer = await rest.put(documentPath('moves', id), { data });
	assert.ok(answer.status < 300, answer.text);
	return answer;
};

// Runs the action, and waits until each of these (`name`, or [name, labels]) is more than before.
async function expectMore(figures, action, client = rest) {
	const read = async () => {
		const seen = await scrape(client);
		return figures.map(figure => seen.value(`syncdoc_${[figure].flat()[0]}`, [figure].flat()[1]));
	};
	const former = await read();
	await action();
	let now;
	await until(
		async () => (now = await read()).every((value, i) => value > former[i]),
		undefined,
		() => `more than ${former} of ${JSON.stringify(figures)}; there are ${now}`,
	);
}

const moves = (...figures) => ({
	when: (name, action) => test(`${name}: ${figures.map(figure => JSON.stringify(figure)).join(', ')}`, () => expectMore(figures, action)),
});

describe('requests and documents', () => {
	test('"requests_2xx_total", "ring_records_published_total": one a write, beside the scrapes and the marks', async () => {
		const read = async () => {
			const seen = await scrape(rest), value = name => seen.value(`syncdoc_${name}_total`);
			return { answers: value('requests_2xx'), events: value('ring_records_published') - value('marks') };
		};
		const former = await read();
		for (let n = 1; n <= WRITES; n++) await write('counted', { n });
		let scrapes = 0, now;
		await until(async () => {
			scrapes++;
			now = await read();
			return now.events - former.events >= WRITES;
		}, undefined, () => `${WRITES} writes: ${JSON.stringify({ former, now })}`);
		assert.ok(now.answers - former.answers - scrapes >= WRITES, JSON.stringify({ former, now, scrapes }));
	});

	moves('requests_3xx_total').when('an answer that nothing has changed', async () => {
		const { headers } = await write('etag');
		assertStatus(await rest.get(documentPath('moves', 'etag'), { 'If-None-Match': headers.etag }), 304);
	});

	moves('document_cache_misses_total').when('a first write', () => write('first'));

	moves('revisions_rebuilt_total', 'revisions_not_kept_total').when('old revisions', async () => {
		for (let n = 1; n <= HISTORY_MAX + 2; n++) await write('old', { n });
		const place = documentPath('moves', 'old');
		assertStatus(await rest.get(revisionPath(place, HISTORY_MAX + 1)), 200);
		assertProblem(await rest.get(revisionPath(place, 1)), 404, 'revision_not_kept');
	});

	moves('forwarded_unclear_total').when('a proxy that says nonsense', async () => {
		assertStatus(await rest.get('/v1/services', { 'X-Forwarded-For': 'unknown' }), 200);
	});

	moves('presence_expired_total', 'presence_events_total').when('a member over REST whose time is up', async () => {
		assertStatus(await rest.put(presencePath('moves', 'here', 'ann'), { mode: 'viewing', ttl: 1 }), 201);
	});
});

describe('streams and long polls', () => {
	moves('streams_total', 'streams_refused_total', 'long_polls_total').when('more than there may be', async () => {
		const streams = [];
		for (let i = 0; i <= STREAMS_MAX; i++) streams.push(await EventStream.open(daemon.port, eventsPath('moves', 's')));
		assert.deepEqual(streams.map(stream => stream.status), [200, 200, 503]);
		for (const stream of streams) stream.close();
		const { headers } = await write('poll');
		const place = `${documentPath('moves', 'poll')}?wait=1s`;
		await until(async () => (await rest.get(place, { 'If-None-Match': headers.etag })).status === 304);
	});
});

describe('WebSockets', () => {
	moves('connections_total', 'handshakes_failed_total').when('a handshake, and one of another version', async () => {
		await daemon.connect();
		await exchange(daemon.port, [handshake(daemon.port, { 'Sec-WebSocket-Version': '12' })], { isDone: text => String(text).includes('426') });
	});

	moves('closes_unanswered_total').when('a client that does not answer our Close', async () => {
		const raw = await RawWebSocket.connect(daemon.port);
		raw.write(frame(BINARY, 'x'));
	});

	moves('connections_dead_total').when('a client that answers no ping', () => RawWebSocket.connect(daemon.port));

	moves('messages_inflated_total', 'answers_compressed_total').when('messages that come and go compressed', async () => {
		const client = await daemon.connect({ deflate: { threshold: 0 } });
		const create = { type: 'sync.create', service: 'moves', documentId: 'packed', data: { text: 'x'.repeat(4000) } };
		assert.equal((await client.request(create)).type, 'result');
	});

	moves('replays_total', 'replay_snapshots_total').when('a snapshot', async () => {
		await write('snap');
		const client = await daemon.connect();
		await client.subscribe({ topic: 'sync.moves.updated', documentId: 'snap', snapshot: true });
	});

	moves('replays_total', 'replay_events_total').when('what was missed', async () => {
		const { json } = await write('missed');
		await write('missed', { n: 2 });
		const client = await daemon.connect();
		const since = { createdAt: json.createdAt, revision: 1, updatedAt: json.updatedAt };
		assert.equal((await client.subscribe({ topic: 'sync.moves.updated', documentId: 'missed', since })).outcome, 'replayed');
	});

	moves('replay_refusals_total').when('a position of another Redis', async () => {
		const client = await daemon.connect();
		await client.subscribe({ topic: 'sync.moves.*', after: '00000000-1' });
		await client.next(message => message.type === 'resync' && message.reason === 'failover');
	});

	moves('presence_refused_total').when('presence at too many documents', async () => {
		const client = await daemon.connect();
		let last;
		for (let i = 0; i <= PRESENCE_MAX; i++)
			last = await client.request({ type: 'presence.join', service: 'moves', documentId: `p${i}`, mode: 'viewing' });
		assert.equal(last.type, 'error', last.text);
		client.close();
	});

	moves('questions_answered_total', 'connections_closed_by_order_total').when('an administrator looks and closes one', async () => {
		const { welcome } = await daemon.connect();
		const { json } = await rest.get('/v1/connections');
		assert.ok(json.items.some(item => item.connectionId === welcome.connectionId));
		assertStatus(await rest.delete(`/v1/connections/${welcome.connectionId}`), 204);
	});
});

describe('the supervisor', () => {
	moves('control_requests_total', ['control_refused_total', { reason: 'line' }]).when('a request, and one that never ends', async () => {
		await askControl(daemon, { verb: 'loglevel' });
		const client = await ControlClient.connect(controlPath(daemon));
		assert.equal((await client.send('x'.repeat(5000))).code, 'too_long');
	});

	moves(['control_refused_total', { reason: 'busy' }]).when('one client too many', async () => {
		await until(async () => (await scrape(rest)).value('syncdoc_control_clients') === 0);
		const clients = [];
		for (let i = 0; i < CONTROL_MAX; i++) {
			clients.push(await ControlClient.connect(controlPath(daemon)));
			await clients[i].ask({ verb: 'loglevel' }); // it has its place
		}
		const refused = await ControlClient.connect(controlPath(daemon));
		assert.equal(JSON.parse(await refused.line()).code, 'busy');
		for (const client of clients) client.close();
	});

	moves('events_recovered_total').when('an event while the subscription is away', async () => {
		const begun = (await scrape(rest)).value('syncdoc_events_recovered_total');
		await until(async () => {
			await pair.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
			await write('gap');
			return (await scrape(rest)).value('syncdoc_events_recovered_total') > begun;
		});
	});
});

describe('tokens', () => {
	const key = secret(), tokens = tokensOf(key);
	let own;
	before(async () => {
		const file = writeFile(path.join(makeDirectory(), 'key'), key);
		own = await startPair({ settings: { workers: 1, ...jwtSettings(file) } });
	});
	after(() => own?.stop());

	test('one that is revoked: "auth_revoked_total", "revocations"', async () => {
		const client = await own.daemon.connect({ headers: bearer(tokens({ sub: 'eve' })) });
		const revoke = async () => {
			assertStatus(await own.rest.post('/v1/auth/revoke', { sub: 'eve' }, bearer(tokens({ sub: 'admin' }))), 204);
			assert.equal((await client.waitForClose()).code, 4001);
		};
		await expectMore(['auth_revoked_total', 'revocations'], revoke, own.rest);
	});

	test('more than are remembered: "token_cache_evictions_total"', async () => {
		const show = async i => assertStatus(await own.rest.get('/v1/services', bearer(tokens({ sub: `user${i}` }))), 200);
		await expectMore(['token_cache_evictions_total'], async () => {
			for (let i = 0; i <= TOKENS_MAX; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => show(i + j)));
		}, own.rest);
	});
});

test('a Redis that hangs: "redis_errors_total"', () =>
	withPair({ settings: { workers: 1, 'redis.timeout': 0.5 } }, async ({ rest: client, redis }) => {
		await expectMore(['redis_errors_total'], async () => {
			redis.process.kill('SIGSTOP');
			try {
				assertProblem(await client.get(documentPath('moves', 'x')), 503, 'redis_unavailable');
			} finally {
				redis.process.kill('SIGCONT');
			}
		}, client);
	}));

// The last one: the worker that counted goes.
test('a reload sends clients away: "goaways_sent_total", "closed_restart_total"', async () => {
	await RawWebSocket.connect(daemon.port);
	const fresh = daemon.client({ keepAlive: false });
	await expectMore(['goaways_sent_total', 'closed_restart_total'], () => daemon.process.kill('SIGHUP'), fresh);
});
