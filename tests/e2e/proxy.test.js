// proxy.test.js: trusted_proxies: whom a request comes from, and what limits per address say to that.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Rest, assertProblem, assertStatus, documentPath, exchange, handshake, hasWholeAnswer, moduleFor, openSocket, parseAnswer, scrape, secret, startPair, token, until, writeFile } from './harness.js';

const through = address => ({ 'X-Forwarded-For': address });
const key = secret();

// A request from an address of this machine: 127.0.0.0/8 is all ours.
function ask(port, path, { from = '127.0.0.1', headers = {} } = {}) {
	return new Promise((resolve, reject) => {
		moduleFor({ port }).get({ host: '127.0.0.1', port, path, localAddress: from, headers, agent: false }, response => {
			let text = '';
			response.on('data', data => (text += data)).on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
		}).on('error', reject);
	});
}

const shake = async (port, headers) => {
	const { text } = await exchange(port, handshake(port, headers), { isDone: hasWholeAnswer });
	return parseAnswer(text);
};

describe('trusted_proxies', () => {
	let pair, port;
	const lines = () => pair.daemon.stderr.split('\n').filter(line => line.includes(' access: '));
	before(async () => {
		pair = await startPair({
			socket: true,
			settings: { trusted_proxies: '127.0.0.1,10.0.0.0/8,2001:db8:1::/48', 'log.access': 'yes', 'limits.per_address': 3 },
		});
		({ port } = pair.daemon);
	});
	after(() => pair?.stop());

	let count = 0;
	// What the access log has as the peer of a request.
	const peerOf = async (headers, from) => {
		const path = `/v1/services?deny=${++count}`;
		const id = `proxy-${count}`;
		await ask(port, path, { from, headers: { ...headers, 'X-Request-Id': id } });
		const line = await until(() => lines().find(text => text.endsWith(` ${id}`)), undefined, `a line for ${id}`);
		return / access: (\S+) /.exec(line)[1];
	};

	for (const [name, headers, from, expected] of [
		['no header: the proxy itself', {}, '127.0.0.1', '127.0.0.1'],
		['one hop', through('192.0.2.7'), '127.0.0.1', '192.0.2.7'],
		['trusted hops on the right are passed over', through('192.0.2.7, 10.1.1.1, 2001:db8:1::9'), '127.0.0.1', '192.0.2.7'],
		['what the client wrote itself stands further left', through('127.0.0.1, 10.0.0.1, 192.0.2.7'), '127.0.0.1', '192.0.2.7'],
		['several lines are one', { 'X-Forwarded-For': ['203.0.113.1', '192.0.2.8'] }, '127.0.0.1', '192.0.2.8'],
		['with ports', through('[2001:db8::7]:4711'), '127.0.0.1', '2001:db8::7'],
		['a hop that is no address', through('192.0.2.7, unknown'), '127.0.0.1', '127.0.0.1'],
		['a peer that is not trusted is not believed', through('192.0.2.7'), '127.0.0.2', '127.0.0.2'],
	])
		test(`${name}: ${expected}`, async () => assert.equal(await peerOf(headers, from), expected));

	test('a unix socket is not trusted unless it is listed', async () => {
		const rest = new Rest(pair.daemon.url, { socketPath: pair.daemon.socket });
		await rest.get('/v1/services', { ...through('192.0.2.7'), 'X-Request-Id': 'unix-peer' });
		rest.close();
		const line = await until(() => lines().find(text => text.endsWith(' unix-peer')));
		assert.match(line, / access: unix /);
	});

	test('limits.per_address counts the client behind the proxy: WebSockets and requests under way, and nobody else', async () => {
		const clients = [];
		for (let i = 0; i < 3; i++) clients.push(await pair.daemon.connect({ headers: through('192.0.2.50') }));
		const refused = await shake(port, through('192.0.2.50'));
		assert.equal(refused.status, 503);
		assert.equal(JSON.parse(refused.text).code, 'too_many_connections');
		assert.ok(refused.headers['retry-after']);
		assert.equal((await ask(port, '/v1/services', { headers: through('192.0.2.50') })).status, 503);
		assert.equal((await ask(port, '/v1/services', { headers: through('192.0.2.51') })).status, 200);
		// The proxy itself may have any number.
		for (let i = 0; i < 6; i++) clients.push(await pair.daemon.connect({ headers: through(`192.0.2.${60 + i}`) }));
		assert.ok((await scrape(pair.rest)).value('syncdoc_connections_refused_address_total') >= 2);
		clients[0].close();
		await until(async () => (await ask(port, '/v1/services', { headers: through('192.0.2.50') })).status === 200);
		for (const client of clients) client.close();
	});

	test('limits.per_address closes further connections of a peer that is no proxy, whatever header it sends', async () => {
		const open = [];
		for (let i = 0; i < 3; i++)
			open.push(
				await pair.daemon.connect({
					headers: through(`203.0.113.${i}`),
					createConnection: () => openSocket(port, { localAddress: '127.0.0.3' }),
				}),
			);
		await assert.rejects(ask(port, '/livez', { from: '127.0.0.3', headers: through('203.0.113.99') }));
		assert.equal((await ask(port, '/livez', { from: '127.0.0.4' })).status, 200);
		for (const client of open) client.close();
		await until(() => ask(port, '/livez', { from: '127.0.0.3' }).then(answer => answer.status === 200, () => false));
	});
});

describe('/metrics and the reasons of /readyz are open to clients of this host only', () => {
	let pair, directory;
	before(async () => {
		directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-proxy-'));
		pair = await startPair({
			socket: true,
			settings: {
				'auth.mode': 'jwt',
				'auth.algorithm': 'HS256',
				'auth.key': writeFile(path.join(directory, 'key'), key),
				trusted_proxies: '127.0.0.1,unix',
			},
		});
	});
	after(async () => {
		await pair?.stop();
		fs.rmSync(directory, { recursive: true });
	});

	for (const [name, options, status] of [
		['a client of this host', {}, 200],
		['an address of this host that is no proxy', { from: '127.0.0.9' }, 200],
		['through the proxy, from another host', { headers: through('192.0.2.7') }, 401],
		['through the proxy, from this host', { headers: through('127.0.0.5') }, 200],
		['through the proxy, a client that claims to be local', { headers: through('127.0.0.1, 192.0.2.7') }, 401],
		['through the proxy, a hop that is no address', { headers: through('unknown') }, 401],
		['through the proxy, with another header only', { headers: { Forwarded: 'for=192.0.2.7' } }, 401],
		['through a proxy that is not trusted', { from: '127.0.0.9', headers: through('127.0.0.1') }, 401],
		['through one that is not trusted, by X-Real-IP', { from: '127.0.0.9', headers: { 'X-Real-IP': '127.0.0.1' } }, 401],
	])
		test(`${name}: ${status}`, async () => {
			const answer = await ask(pair.daemon.port, '/metrics', options);
			assert.equal(answer.status, status, answer.text.slice(0, 300));
			const readiness = await ask(pair.daemon.port, '/readyz?verbose', options);
			assert.equal(readiness.status, 200);
			const { conditions } = JSON.parse(readiness.text);
			assert.equal(conditions.length, 6);
			for (const { name, ok, reason } of conditions) {
				assert.equal(ok, true, name);
				assert.equal(typeof reason, status === 200 ? 'string' : 'undefined', name);
			}
		});

	test('from elsewhere /readyz says why to an administrator only', async () => {
		const reasonsFor = async headers => {
			const answer = await ask(pair.daemon.port, '/readyz?verbose', { headers: { ...through('192.0.2.7'), ...headers } });
			assert.equal(answer.status, 200, answer.text);
			return JSON.parse(answer.text).conditions.every(({ reason }) => reason !== undefined);
		};
		const bearer = (claims, with_ = key) => ({ Authorization: `Bearer ${token(claims, with_)}` });
		assert.equal(await reasonsFor(bearer({ '*': 'a' })), true);
		assert.equal(await reasonsFor(bearer({ '*': 'rwp' })), false);
		assert.equal(await reasonsFor(bearer({ session: 'a' })), false);
		assert.equal(await reasonsFor(bearer({ '*': 'a' }, 'another key, long enough for HS256 tokens')), false);
		assert.equal(await reasonsFor({ Authorization: 'Basic YTpi' }), false);
		assert.equal(await reasonsFor({}), false);
	});

	test('over the unix socket, which is trusted here: by the client that is named', async () => {
		const rest = new Rest(pair.daemon.url, { socketPath: pair.daemon.socket });
		const admin = { ...through('192.0.2.7'), Authorization: `Bearer ${token({ '*': 'a' }, key)}` };
		assert.equal((await rest.get('/metrics')).status, 200);
		assert.equal((await rest.get('/metrics', through('192.0.2.7'))).status, 401);
		assert.equal((await rest.get('/metrics', admin)).status, 200);
		rest.close();
	});
});

describe('limits.requests_per_address', () => {
	let pair, port;
	before(async () => {
		pair = await startPair({ settings: { 'limits.requests_per_address': 5, trusted_proxies: '127.0.0.1', cors_origins: 'https://app.example.org' } });
		({ port } = pair.daemon);
	});
	after(() => pair?.stop());

	// Until refused: what comes back meanwhile may be more than the five.
	const exhaust = options =>
		until(async () => {
			const answer = await ask(port, '/livez', options);
			return answer.status === 429 && answer;
		});

	test('answers 429 with Retry-After and CORS headers; others are served, and so is this one later', async () => {
		const refused = await exhaust({ from: '127.0.0.20', headers: { Origin: 'https://app.example.org' } });
		assertProblem({ ...refused, json: JSON.parse(refused.text) }, 429, 'rate_limited');
		assert.ok(Number(refused.headers['retry-after']) >= 1);
		assert.equal(refused.headers['access-control-allow-origin'], 'https://app.example.org');
		assert.equal((await ask(port, '/livez', { from: '127.0.0.21' })).status, 200);
		assert.ok((await scrape(pair.rest)).value('syncdoc_requests_rate_limited_total') >= 1);
		await until(async () => (await ask(port, '/livez', { from: '127.0.0.20' })).status === 200);
	});

	test('counts the client behind a proxy, not the proxy', async () => {
		await exhaust({ headers: through('192.0.2.80') });
		assert.equal((await ask(port, '/livez', { headers: through('192.0.2.81') })).status, 200);
		for (let i = 0; i < 20; i++) assert.equal((await ask(port, '/livez')).status, 200, 'the health check of the proxy');
	});

	test('refuses before the body has come, and does nothing of it', async () => {
		const head = (line, more = '') => `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.90\r\n${more}\r\n`;
		const target = documentPath('limited', 'x');
		const put = head(`PUT ${target}`, 'Content-Type: application/json\r\nContent-Length: 11\r\n');
		await until(async () => {
			const { text } = await exchange(port, head('GET /livez').repeat(6) + put, {
				isDone: bytes => (String(bytes).match(/HTTP\/1\.1 /g) ?? []).length === 7,
			});
			return text.match(/HTTP\/1\.1 \d+/g).at(-1) === 'HTTP/1.1 429';
		});
		assertStatus(await pair.rest.get(target), 404);
	});
});
