// hostile.test.js: HTTP as no well-behaved client sends it: each input has its answer, and the same workers serve on afterwards.
// WebSockets: hostile_websocket.test.js.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import {
	DEADLINE_MS,
	Daemon,
	HTTP_DESCRIPTORS,
	assertProblem,
	assertStatus,
	cutSocket,
	documentPath,
	exchange,
	getRequest,
	hasWholeAnswer,
	openSocket,
	parseAnswer,
	scrape,
	startPair,
	until,
	within,
} from './harness.js';
import { Unharmed } from './lib/unharmed.js';

// `impatient` is for requests that do not come to their end: it would not wait for us either, if this process stood still.
let pair, rest, port, impatient, unharmed;
before(async () => {
	const settings = { workers: 2, 'ws.max_message': '16KiB' };
	pair = await startPair({ settings });
	({ rest } = pair);
	({ port } = pair.daemon);
	impatient = await Daemon.start({ redis: pair.redis, settings: { ...settings, 'limits.request_timeout': 1 } });
	unharmed = new Unharmed(pair.daemon, impatient);
	assertStatus(await rest.put(documentPath('hostile', 'x'), { data: { a: 1 } }), 201);
});
afterEach(() => unharmed.check());
after(async () => {
	await impatient?.stop();
	await pair?.stop();
});

const HOST = 'Host: 127.0.0.1\r\n';
const put = (headers, body) =>
	`PUT /v1/services/hostile/documents/never HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${headers}\r\n${body}`;
const chunked = body => put('Transfer-Encoding: chunked\r\n', body);
const body = '{"data":{}}';

// name, bytes, the statuses that may come; `null` among them: closing without an answer will do
const requests = [
	['no HTTP at all', 'hello\r\n\r\n', [400, null]],
	['TLS', Buffer.from('16030100a5010000a10303', 'hex'), [400, 408, null]],
	['zero bytes', Buffer.alloc(3000), [400, 408, 414, 431, null]],
	['a request line without version', 'GET /livez\r\n\r\n', [400, null]],
	['HTTP/2 in words', `GET /livez HTTP/2.0\r\n${HOST}\r\n`, [400, 505, null]],
	['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 405, 404, 505, null]],
	['a method nobody knows', `BREW /v1/services HTTP/1.1\r\n${HOST}\r\n`, [405]],
	['a method in lower case', `get /v1/services HTTP/1.1\r\n${HOST}\r\n`, [405]],
	['a target that is no path', getRequest('livez'), [400]],
	['an asterisk with GET', getRequest('*'), [400, 404]],
	['CONNECT', `CONNECT example.org:443 HTTP/1.1\r\n${HOST}\r\n`, [400, 404, 405]],
	['no Host', 'GET /livez HTTP/1.1\r\n\r\n', [400]],
	['an empty Host', 'GET /v1/services HTTP/1.1\r\nHost: \r\n\r\n', [400, 421]],
	['two Hosts', getRequest('/v1/services', 'Host: evil.example\r\n'), [400, 421]],
	['an absolute target of another host', getRequest('http://evil.example/v1/services'), [421]],
	['an absolute target with credentials', getRequest('http://127.0.0.1@evil.example/v1/services'), [400, 421]],
	['a header of 64 KiB', getRequest('/livez', `X: ${'x'.repeat(65536)}\r\n`), [400, 413, 431, null]],
	['a target of 64 KiB', getRequest(`/${'x'.repeat(65536)}`), [400, 414, 431, null]],
	['1,000 cookies', getRequest('/livez', `Cookie: ${'a=b; '.repeat(1000)}\r\n`), [400, 431, null]],
	['1,000 cookies after a body', put('Content-Length: 13\r\n', '{"data": {} }') + getRequest('/livez', `Cookie: ${'a=b; '.repeat(1000)}\r\n`), [200, 201]],
	['10,000 headers', getRequest('/livez', 'X: y\r\n'.repeat(10000)), [400, 413, 431, null]],
	['a header without a colon', getRequest('/livez', 'nonsense\r\n'), [400]],
	['a space before the colon', getRequest('/livez', 'X-Space : y\r\n'), [400]],
	['a tab before the colon', getRequest('/livez', 'X-Tab\t: y\r\n'), [400]],
	['a header name with a bracket', getRequest('/livez', 'X(y): z\r\n'), [400]],
	['NUL in a header', getRequest('/livez', 'X: a\0b\r\n'), [400, null]],
	['NUL in the last header before a body', put(`Content-Length: 11\r\nX: a\0b\r\n`, body), [400, null]],
	['NUL in Host', 'GET /v1/services HTTP/1.1\r\nHost: 127.0.0.1\0evil\r\n\r\n', [400, null]],
	['NUL in a method', `GET\0X /v1/services HTTP/1.1\r\n${HOST}\r\n`, [400, null]],
	['a folded header', getRequest('/livez', 'X: a\r\n b\r\n'), [400]],
	['a carriage return in a header', getRequest('/livez', 'X: a\rb\r\n'), [400]],
	['Transfer-Encoding over HTTP/1.0', chunked(`b\r\n${body}\r\n0\r\n\r\n`).replace('/1.1', '/1.0'), [400]],
	['Content-Length twice, different', put('Content-Length: 11\r\nContent-Length: 12\r\n', `${body} `), [400]],
	['Content-Length twice, equal', put('Content-Length: 11\r\nContent-Length: 11\r\n', body), [400]],
	['Content-Length as a list', put('Content-Length: 11, 11\r\n', body), [400]],
	['Content-Length below zero', put('Content-Length: -1\r\n', body), [400]],
	['Content-Length in words', put('Content-Length: eleven\r\n', body), [400]],
	['Content-Length beyond 64 bits', put('Content-Length: 99999999999999999999999\r\n', body), [400, 413]],
	['Content-Length of 2^63', put('Content-Length: 9223372036854775808\r\n', body), [400, 413]],
	[
		'Content-Length and chunked',
		put('Content-Length: 11\r\nTransfer-Encoding: chunked\r\n', `b\r\n${body}\r\n0\r\n\r\n`),
		[400],
	],
	['an unknown Transfer-Encoding', put('Transfer-Encoding: gzip\r\n', body), [400, 501]],
	['chunked, but not last', put('Transfer-Encoding: chunked, gzip\r\n', body), [400, 501]],
	['a chunk size that is none', chunked(`zz\r\n${body}\r\n0\r\n\r\n`), [400]],
	['a chunk size beyond 64 bits', chunked(`fffffffffffffffffff\r\n${body}`), [400, 413]],
	['a chunk longer than its size', chunked(`3\r\n${body}\r\n0\r\n\r\n`), [400]],
	['a chunk size of 2^63', chunked(`8000000000000000\r\n${body}`), [400, 408, 413]],
	['a request line that never ends', 'GET /liv', [408, null]],
	['a body that ends too early', put('Content-Length: 500\r\n', body), [408]],
	['headers that never end', `GET /livez HTTP/1.1\r\n${HOST}X: y`, [408, null]],
	[
		'Expect: 100-continue with too large a body',
		put('Content-Length: 100000000\r\nExpect: 100-continue\r\n', ''),
		[413],
	],
	['an unknown expectation', put('Content-Length: 11\r\nExpect: the-spanish-inquisition\r\n', body), [201, 417]],
	['..%2f in a path', getRequest('/v1/services/..%2f..%2fetc/documents/passwd'), [400]],
	['../ in a path', getRequest('/v1/services/../../etc/passwd'), [400, 404]],
	['%00 in a path', getRequest('/v1/services/hostile/documents/x%00'), [400]],
	['a raw NUL in a path', getRequest('/v1/services/hostile/documents/x\0y'), [400, null]],
	['a raw NUL in a path, and what looks like the end of the line', getRequest('/livez\0HTTP/1.1'), [400, null]],
	['overlong UTF-8 in a path', getRequest('/v1/services/%c0%ae%c0%ae/documents/x'), [400]],
	['a surrogate in a path', getRequest('/v1/services/hostile/documents/%ed%a0%80'), [400]],
	['bad percent-encoding', getRequest('/v1/services/hostile/documents/%zz'), [400]],
	['percent-encoding cut off', getRequest('/v1/services/hostile/documents/x%4'), [400]],
	['raw bytes above 127', getRequest('/v1/services/hostile/documents/\xff'), [400]],
	['double slashes', getRequest('//v1//services'), [404]],
	['a hundred segments', getRequest('/a'.repeat(100)), [404]],
	['a key of another kind as id', getRequest('/v1/services/hostile/documents/x%0aDEL%20y'), [400]],
	['a glob as id', getRequest('/v1/services/hostile/documents/*'), [400]],
	['NUL in a query', getRequest('/v1/services/hostile/documents?prefix=a%00'), [400]],
	['1,000 query parameters', getRequest(`/v1/services?${'a=b&'.repeat(1000)}`), [400, 414, 431]],
	['5,000 ampersands', getRequest(`/nowhere?${'a&'.repeat(5000)}`), [404, 414, 431]],
	[
		'an Idempotency-Key of 300 bytes',
		put(`Content-Length: 11\r\nIdempotency-Key: ${'k'.repeat(300)}\r\n`, body),
		[400],
	],
	['an ETag that never ends', put(`Content-Length: 11\r\nIf-Match: "${'x'.repeat(2000)}\r\n`, body), [400]],
	['a header split to look like two answers', getRequest('/v1/services', 'X-Request-Id: a%0d%0aSet-Cookie: b\r\n'), [200]],
	['JSON nested 30,000 deep', put('Content-Length: 60000\r\n', '['.repeat(30000) + ']'.repeat(30000)), [422]],
	['JSON nested 30,000 deep and never closed', put('Content-Length: 60000\r\n', '{"a":'.repeat(12000)), [400, 422]],
	['4,000 equal names', put('Content-Length: 24011\r\n', `{"data":{${'"a":1,'.repeat(3999)}"a":1}}   `), [422]],
];

describe('malformed HTTP', () => {
	for (const [name, bytes, statuses] of requests)
		test(`${name}: ${statuses.map(status => status ?? 'closed').join(' or ')}`, async () => {
			const result = await exchange(statuses.includes(408) ? impatient.port : port, bytes, { isDone: hasWholeAnswer });
			const answer = parseAnswer(result.text);
			assert.ok(
				statuses.includes(answer ? answer.status : null),
				`${answer?.status ?? 'closed'}: ${result.text.slice(0, 500)}`,
			);
			// What libmicrohttpd refuses before there is a request is its own page; all others are problems.
			if (
				answer?.status >= 400 &&
				answer.headers['content-type'] &&
				!answer.headers['content-type'].startsWith('text/html')
			) {
				assert.ok(answer.headers['x-request-id'], result.text);
				assertProblem({ ...answer, json: JSON.parse(answer.text) }, answer.status);
			}
			if (answer?.status === 201) assertStatus(await rest.delete(documentPath('hostile', 'never')), 200);
			const { status } = await rest.get(documentPath('hostile', 'never'));
			assert.ok(status === 404 || status === 410, 'nothing of it was done');
		});

	test('pipelined requests are answered in their order, a bad one ends it', async () => {
		const bytes =
			getRequest('/livez') +
			getRequest('/v1/services/hostile/documents/x') +
			getRequest('/nowhere') +
			getRequest('/livez', 'Connection: close\r\n');
		const { text } = await exchange(port, bytes);
		assert.deepEqual(text.match(/HTTP\/1\.1 \d{3}/g), [
			'HTTP/1.1 200',
			'HTTP/1.1 200',
			'HTTP/1.1 404',
			'HTTP/1.1 200',
		]);
	});

	// A handshake at a snail's pace is no better than none.
	for (const [name, interval] of [
		['is silent', 0],
		['sends a byte now and then', 100],
	])
		test(`who ${name} and has no request line is gone after limits.request_timeout`, async () => {
			const counted = async () => (await scrape(impatient.client({ keepAlive: false }))).value('syncdoc_http_connections_silent_total');
			const before = await counted();
			const socket = openSocket(impatient.port);
			const bytes = 'GET /livez?a-target-that-goes-on-and-on-and-on-and-on-and-on'.split('');
			const timer = interval && setInterval(() => socket.write(bytes.shift() ?? 'x'), interval);
			const start = Date.now();
			try {
				await within(
					new Promise(resolve => socket.on('error', () => {}).on('close', resolve).resume()),
					DEADLINE_MS,
					'end of the connection',
				);
			} finally {
				clearInterval(timer);
				socket.destroy();
			}
			assert.ok(Date.now() - start > 900, 'not before');
			await until(async () => (await counted()) > before, undefined, 'it is counted');
		});

	test('a deadline that has passed leaves no socket behind', async () => {
		const pids = impatient.workers().map(worker => worker.pid);
		const sockets = () => pids.reduce((sum, pid) => sum + fs.readdirSync(`/proc/${pid}/fd`).length, 0);
		const before = sockets();
		const parts = ['', 'GET /li', `GET /livez HTTP/1.1\r\n${HOST}X`, put('Content-Length: 9\r\n', '{'), getRequest('/livez')];
		parts.push(`GET /x\0?${'a&'.repeat(4000)} HTTP/1.1\r\n${HOST}\r\n`); // libmicrohttpd's own parser runs out of memory
		const open = await Promise.all(
			parts.map(async part => {
				const socket = openSocket(impatient.port, { allowHalfOpen: true });
				socket.on('error', () => {}).resume();
				await new Promise(resolve => socket.write(part || '\r\n', 'latin1', resolve));
				return socket;
			}),
		);
		await until(() => sockets() <= before + HTTP_DESCRIPTORS, undefined, () => `${sockets()} descriptors, ${before} before`); // keep-alive
		for (const socket of open) socket.destroy();
		await until(() => sockets() <= before, undefined, () => `${sockets()} descriptors, ${before} before`);
	});

	test('a drain waits for no connection that has no request', async () => {
		const other = await startPair({ settings: { 'limits.request_timeout': 600, drain_timeout: 600 } });
		const parts = ['\r\n', 'GET /li', getRequest('/livez')];
		const sockets = await Promise.all(
			parts.map(async part => {
				const socket = openSocket(other.daemon.port);
				socket.on('error', () => {}).resume();
				await new Promise(resolve => socket.write(part, resolve));
				return socket;
			}),
		);
		await other.stop(); // long before the ten minutes
		for (const socket of sockets) socket.destroy();
	});

	// Two answers to where a body ends are how a request gets past a proxy.
	for (const headers of [
		'Content-Length: 0\r\nTransfer-Encoding: chunked\r\n',
		'Content-Length: 0\r\nContent-Length: 74\r\n',
		'Transfer-Encoding: xchunked\r\n',
		'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
		'Content-Length : 74\r\n',
		'Transfer-Encoding : chunked\r\n',
	])
		test(`a request hidden behind ${JSON.stringify(headers)} is not run`, async () => {
			const path = documentPath('hostile', 'smuggled');
			const inner = `DELETE ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
			assert.ok((await rest.put(path, { data: {} })).status < 300);
			const { text } = await exchange(port, put(headers, inner) + getRequest('/livez', 'Connection: close\r\n'));
			assert.equal(parseAnswer(text).status, 400);
			assertStatus(await rest.get(path), 200);
		});

	test('connections that are reset at any byte leave nothing behind', async () => {
		const bytes = Buffer.from(put('Content-Length: 11\r\n', body.slice(0, -1)));
		for (let length = 0; length < bytes.length; length += 7) {
			const socket = openSocket(port);
			socket.on('error', () => {});
			await new Promise(resolve => socket.write(bytes.subarray(0, length), resolve));
			cutSocket(socket);
		}
		const { status } = await rest.get(documentPath('hostile', 'never'));
		assert.ok(status === 404 || status === 410);
	});
});

test('at the end everything is as it was', async () => {
	await until(async () => (await rest.get('/readyz')).status === 200);
	assert.deepEqual(assertStatus(await rest.get(documentPath('hostile', 'x')), 200).data, { a: 1 });
});
