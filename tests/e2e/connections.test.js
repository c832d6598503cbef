// connections.test.js: who is connected, on two hosts; closing one; revoking tokens.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	Daemon,
	EventStream,
	Redis,
	assertProblem,
	assertStatus,
	bearer,
	documentPath,
	now,
	secret,
	token,
	turn,
	until,
	writeFile,
} from './harness.js';

const key = secret();
// All issued before anything is revoked.
const began = now() - 10;
const good = (sub, claims = {}) => token({ s: 'rw' }, key, { claims: { sub, iat: began, ...claims } });
const admin = bearer(token({ '*': 'rwpa' }, key, { claims: { sub: 'root' } }));
let directory;
let redis;
let hosts;
const settings = () => ({
	'auth.mode': 'jwt',
	'auth.algorithm': 'HS256',
	'auth.key': writeFile(path.join(directory, 'key'), key),
	workers: 2,
	'redis.timeout': 3, // tests below wait for it
});

before(async () => {
	directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-connections-'));
	redis = await Redis.start();
	hosts = [];
	for (const node of ['alpha', 'beta']) hosts.push(await Daemon.start({ redis, settings: { ...settings(), node } }));
});
after(async () => {
	for (const host of hosts ?? []) await host.stop();
	await redis?.stop();
	fs.rmSync(directory, { recursive: true, force: true });
});

const connect = (host, sub, claims) => host.connect({ headers: bearer(good(sub, claims)) });
const look = async (host, query = '') => assertStatus(await host.rest.get(`/v1/connections${query}`, admin), 200);
// A worker that is slow to answer makes the list incomplete, and that is said: then it is asked for again.
const list = (host, query) =>
	until(async () => {
		const answer = await look(host, query);
		return answer.incomplete === undefined && answer;
	});
const refuses = async (host, text, code) =>
	until(async () => {
		const answer = await host.client({ keepAlive: false }).get('/v1/services', bearer(text));
		return answer.status === 401 && answer.json.code === code;
	});
// Whoever does not answer in time makes the end of a connection unknown: 503, and asked again.
const remove = (host, target) =>
	until(async () => {
		const answer = await host.rest.delete(target, admin);
		return answer.status !== 503 && answer;
	});
const idsOf = items => items.map(item => item.connectionId);

test('each worker of each host shows its connections, whoever is asked', async () => {
	const clients = [];
	for (const host of hosts) for (const sub of ['ann', 'bob', 'cleo']) clients.push(await connect(host, sub));
	await clients[0].subscribe({ topic: 'sync.s.updated', documentId: 'doc_1', returnMode: 'diff' });
	await clients[0].subscribe({ topic: 'sync.*.deleted' });
	const stream = await EventStream.open(hosts[1].port, '/v1/events?topic=sync.s.*', { headers: bearer(good('dora')) });
	for (const host of hosts) {
		const answer = await list(host);
		assert.equal(answer.total, 7);
		assert.equal(answer.next_page_token, undefined);
		assert.deepEqual(idsOf(answer.items), [...idsOf(answer.items)].sort());
		for (const client of clients) {
			const item = answer.items.find(one => one.connectionId === client.welcome.connectionId);
			assert.ok(item, 'a client that is connected');
			assert.equal(item.protocol, 'websocket');
			assert.equal(item.address, '127.0.0.1');
			assert.equal(item.node, clients.indexOf(client) < 3 ? 'alpha' : 'beta');
			assert.ok(item.worker === 0 || item.worker === 1);
			assert.ok(Math.abs(item.since - Date.now()) < 600000);
			assert.equal(item.queueBytes, 0);
			assert.equal(item.lagMs, 0);
		}
		const first = answer.items.find(one => one.connectionId === clients[0].welcome.connectionId);
		assert.equal(first.userId, 'ann');
		assert.equal(first.subscriptionCount, 2);
		assert.deepEqual(first.subscriptions.sort((a, b) => (a.topic < b.topic ? -1 : 1)), [
			{ topic: 'sync.*.deleted', returnMode: 'full' },
			{ topic: 'sync.s.updated', returnMode: 'diff', documentId: 'doc_1' },
		]);
		const sse = answer.items.find(one => one.protocol === 'sse');
		assert.equal(sse.userId, 'dora');
		assert.equal(sse.node, 'beta');
		assert.equal(sse.address, '127.0.0.1');
		assert.deepEqual(sse.subscriptions, [{ topic: 'sync.s.*', returnMode: 'full' }]);
		assert.deepEqual(
			(await list(host, '?user=bob')).items.map(one => [one.userId, one.node]).sort(),
			[['bob', 'alpha'], ['bob', 'beta']],
		);
	}
	// Pages: each item once, in order.
	const all = idsOf((await list(hosts[0])).items);
	for (const size of [1, 2, 3, 7]) {
		const seen = [];
		let next = '';
		do {
			const page = await list(hosts[1], `?page_size=${size}${next && `&page_token=${next}`}`);
			assert.ok(page.items.length <= size);
			assert.equal(page.total, 7);
			seen.push(...idsOf(page.items));
			next = page.next_page_token;
		} while (next);
		assert.deepEqual(seen, all);
	}
	for (const client of clients) client.close();
	stream.close();
	await until(async () => (await list(hosts[0])).total === 0);
});

test('what is asked wrongly is refused', async () => {
	for (const query of ['page_size=0', 'page_size=1001', 'page_size=x', 'page_size=10000000000', 'other=1', `user=${'x'.repeat(600)}`])
		assertProblem(await hosts[0].rest.get(`/v1/connections?${query}`, admin), 400, 'invalid_query', query);
	assertProblem(await hosts[0].rest.get('/v1/connections?page_token=UPPER', admin), 400, 'invalid_page_token');
	assertProblem(await hosts[0].rest.get('/v1/connections', bearer(good('ann'))), 403, 'forbidden');
	assertProblem(await hosts[0].rest.delete('/v1/connections/0123456789abcdef', bearer(good('ann'))), 403, 'forbidden');
	assertProblem(await remove(hosts[0], '/v1/connections/0123456789abcdef'), 404, 'connection_not_found');
	assertProblem(await hosts[0].rest.delete('/v1/connections/x', admin), 404, 'connection_not_found');
	const revoke = body => hosts[0].rest.post('/v1/auth/revoke', body, admin);
	for (const body of [{}, { sub: 'a', jti: 'b' }, { sub: '' }, { sub: 7 }, { sub: 'x'.repeat(513) }, { sub: 'a', issuedBefore: 'x' }, { jti: 'a', issuedBefore: 1 }])
		assertProblem(await revoke(body), 422, 'invalid_revocation', JSON.stringify(body));
	assertProblem(await revoke([]), 422, 'body_not_object');
	assertProblem(await revoke({ sub: 'a', other: 1 }), 422, 'unknown_member');
	assertProblem(await revoke('{'), 400, 'json_malformed');
	assertProblem(await hosts[0].rest.post('/v1/auth/revoke', { sub: 'a' }, bearer(good('ann'))), 403, 'forbidden');
	assert.equal(await redis.command('ZCARD', 'syncdoc:revoked'), 0);
});

test('one is closed from the other host: 1008, and the stream is cut', async () => {
	const client = await connect(hosts[1], 'ann');
	const stream = await EventStream.open(hosts[1].port, '/v1/events?topic=sync.s.*', { headers: bearer(good('ann')) });
	const other = await connect(hosts[1], 'ann');
	const target = `/v1/connections/${client.welcome.connectionId}`;
	assert.equal((await remove(hosts[0], target)).status, 204);
	assert.equal((await client.waitForClose()).code, 1008);
	await until(async () => (await hosts[0].rest.delete(target, admin)).status === 404);
	const sse = (await list(hosts[0])).items.find(item => item.protocol === 'sse');
	assert.equal((await remove(hosts[0], `/v1/connections/${sse.connectionId}`)).status, 204);
	await until(() => stream.end, undefined, 'the end of the stream');
	assert.equal((await other.request({ type: 'ping' })).type, 'pong');
	other.close();
});

describe('revoke', () => {
	const revoke = async (host, body) => assert.equal((await host.rest.post('/v1/auth/revoke', body, admin)).status, 204);
	const read = (host, text) => host.rest.get('/v1/services', bearer(text));

	test('a subject: sockets, streams and long polls end on all hosts, its tokens are refused, newer ones are not', async () => {
		const text = good('eve');
		const clients = [await connect(hosts[0], 'eve'), await connect(hosts[1], 'eve')];
		const bystander = await connect(hosts[1], 'bob');
		const stream = await EventStream.open(hosts[1].port, '/v1/events?topic=sync.s.*', { headers: bearer(text) });
		const made = assertStatus(await hosts[1].rest.put(documentPath('s', 'poll'), { data: { n: 1 } }, bearer(text)), 201);
		const etag = `"${made.revision}-${made.updatedAt}"`;
		const poll = hosts[1]
			.client({ deadlineMs: 60000 })
			.get(`${documentPath('s', 'poll')}?wait=50s`, { ...bearer(text), 'If-None-Match': etag });
		await until(async () => (await hosts[1].rest.get('/metrics')).text.match(/syncdoc_long_polls\{[^}]*\} 1/));
		await revoke(hosts[0], { sub: 'eve' });
		for (const client of clients) assert.equal((await client.waitForClose()).code, 4001);
		await until(() => stream.end, undefined, 'the end of the stream');
		assertProblem(await poll, 401, 'token_revoked');
		for (const host of hosts)
			for (let i = 0; i < 4; i++) // both workers
				await refuses(host, text, 'token_revoked');
		await assert.rejects(connect(hosts[1], 'eve'), /401/);
		const fresh = good('eve', { iat: now() + 2 });
		assert.equal((await read(hosts[1], fresh)).status, 200, 'issued later');
		assert.equal((await bystander.request({ type: 'ping' })).type, 'pong');
		bystander.close();
		assert.ok(Number(await redis.command('ZSCORE', 'syncdoc:revoked', 'sub:eve')) <= Date.now());
	});

	test('one token by its id', async () => {
		const client = await connect(hosts[0], 'fay', { jti: 'one' });
		const other = await connect(hosts[0], 'fay', { jti: 'two' });
		await revoke(hosts[1], { jti: 'one' });
		assert.equal((await client.waitForClose()).code, 4001);
		assert.equal((await other.request({ type: 'ping' })).type, 'pong');
		// The answer came from one worker; the others hear of it in a moment.
		for (let i = 0; i < 4; i++) await refuses(hosts[1], good('fay', { jti: 'one' }), 'token_revoked');
		assert.equal((await read(hosts[1], good('fay', { jti: 'two' }))).status, 200);
		other.close();
	});

	test('a socket that authenticates later is refused, too', async () => {
		await revoke(hosts[0], { sub: 'gus' });
		const client = await hosts[0].connect();
		// Its worker need not have heard of it yet: a token that is still taken is revoked on the open socket.
		const answer = await client.request({ type: 'auth', token: good('gus') });
		if (answer.type === 'result') {
			assert.equal((await client.waitForClose()).code, 4001);
			await refuses(hosts[0], good('gus'), 'token_revoked');
			return;
		}
		assert.deepEqual([answer.status, answer.code], [401, 'token_revoked']);
		assert.equal((await client.waitForClose()).code, 4003);
	});

	test('a host that starts later knows', async () => {
		await revoke(hosts[0], { sub: 'hal' });
		const late = await Daemon.start({ redis, settings: { ...settings(), node: 'gamma' } });
		try {
			for (let i = 0; i < 6; i++)
				assert.equal((await late.client({ keepAlive: false }).get('/v1/services', bearer(good('hal')))).status, 401);
		} finally {
			await late.stop();
		}
	});

	test('what a host misses while it is cut off it knows afterwards', async () => {
		const client = await connect(hosts[1], 'ida');
		// As if another host had revoked while this one had no subscription: no message, only the entry.
		await redis.command('ZADD', 'syncdoc:revoked', String(Date.now()), 'sub:ida');
		for (const line of (await redis.command('CLIENT', 'LIST')).split('\n'))
			if (/name=relay/.test(line)) await redis.command('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)[1]);
		assert.equal((await client.waitForClose()).code, 4001);
		await list(hosts[0]); // both hosts hear each other again
	});

	test('nonsense on the control channel is counted and hurts nobody', async () => {
		const bad = async () => {
			const text = (await hosts[0].rest.get('/metrics')).text;
			return [...text.matchAll(/^syncdoc_control_malformed_total\{[^}]*\} (\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
		};
		const before = await bad();
		const messages = ['', 'x', '[]', '{"type":"close"}', '{"type":"close","question":"../../../x","connectionId":"x"}', '{"type":"revoked","name":7}', '{"type":"connections","question":"01234567890123456789","after":"","limit":100000,"user":""}'];
		for (const message of messages) await redis.command('PUBLISH', 'syncdoc:control', message);
		await redis.command('PUBLISH', 'syncdoc:control', 'x'.repeat(5000));
		// Two workers see each of them but the empty one, which stands for a loss, and the one that is too large.
		await until(async () => (await bad()) - before === 2 * (messages.length - 1));
		const tooLarge = /syncdoc_host_messages_total\{result="too_large"\} [1-9]/;
		await until(async () => tooLarge.test((await hosts[0].rest.get('/metrics')).text));
		await list(hosts[0]);
	});
});

test('a worker that does not answer: the list says who is missing, a close says that it is not known', async () => {
	const [stopped] = hosts[1].workers();
	const client = await connect(hosts[0], 'ann');
	process.kill(stopped.pid, 'SIGSTOP');
	try {
		const answer = await until(async () => {
			const now = await look(hosts[0]);
			assert.equal(now.incomplete, true);
			return now.missing.length === 1 && now; // others may be slow, too
		});
		assert.match(answer.missing[0], /^beta\./);
		assert.ok(idsOf(answer.items).includes(client.welcome.connectionId), 'those of the others are there');
		assertProblem(await hosts[0].rest.delete('/v1/connections/0123456789abcdef', admin), 503, 'connections_unknown');
		// One that is there is closed without waiting for who is not.
		assert.equal((await hosts[0].rest.delete(`/v1/connections/${client.welcome.connectionId}`, admin)).status, 204);
	} finally {
		process.kill(stopped.pid, 'SIGCONT');
	}
	await list(hosts[0]);
});

test('Redis away: 503 within its time, and tokens are still judged', async () => {
	const text = good('jo');
	redis.process.kill('SIGSTOP');
	try {
		for (const [method, target, body] of [['GET', '/v1/connections'], ['DELETE', '/v1/connections/0123456789abcdef'], ['POST', '/v1/auth/revoke', { sub: 'x' }]]) {
			const answer = await hosts[0].rest.request(method, target, { body, headers: admin });
			assert.equal(answer.status, 503, `${method} ${target}: ${answer.text}`);
		}
		assertProblem(await hosts[0].rest.get('/v1/services', bearer(good('gus'))), 401, 'token_revoked');
		const client = await hosts[0].connect({ headers: bearer(text) });
		client.close();
	} finally {
		redis.process.kill('SIGCONT');
	}
	await hosts[0].waitUntilReady();
	await turn(0);
});
