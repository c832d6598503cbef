// rest_input.test.js: what is refused before a document is touched, and that nothing is altered silently.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Rest, assertProblem, assertStatus, collectionPath, documentPath, startPair } from './harness.js';

const MAX_SIZE = 64 << 10;
let pair, rest;
before(async () => {
	pair = await startPair({
		socket: true,
		settings: { cors_origins: 'https://app.example.org', hosts: 'sync.example.org', node: 'node-one' },
	});
	({ rest } = pair);
});
after(() => pair?.stop());

const path = documentPath('input', 'x');
const nested = depth => '['.repeat(depth) + ']'.repeat(depth);

describe('malformed JSON is 400 with the byte offset', () => {
	const table = [
		['', 0],
		['{', 1],
		['{"data":}', 8],
		['{"data":{"a":1}', 15],
		['{"data":{}} x', 12],
		["{'data':{}}", 1],
		['{"data":{"a":01}}', 14],
		['{"data":{"a":1.}}', 15],
		['{"data":{"a":.5}}', 13],
		['{"data":{"a":+1}}', 13],
		['{"data":{"a":"\t"}}', 14],
		['{"data":{"a":"\\x"}}', undefined],
		['{"data":{"a":tru}}', undefined],
		['{"data":{"a":[1,]}}', 16],
		['{"data":{},}', 11],
		[Buffer.from('{"data":{"a":"\xff"}}', 'latin1'), 14],
		[Buffer.from('{"data":{"a":"é\xc0\x80"}}', 'latin1'), 14],
		['\ufeff{"data":{}}', 0],
		['{"data":{}}{}', 11],
		['nul', undefined],
	];
	for (const [body, offset] of table)
		test(`${JSON.stringify(String(body))} at ${offset ?? 'its place'}`, async () => {
			const problem = assertProblem(await rest.request('PUT', path, { body }), 400, 'json_malformed');
			assert.equal(typeof problem.offset, 'number');
			if (offset !== undefined) assert.equal(problem.offset, offset);
		});
});

describe('JSON that could not be kept as it is, is 422', () => {
	const values = [
		'NaN',
		'Infinity',
		'-Infinity',
		'{"a":1,"a":2}',
		'{"a":1,"\\u0061":2}',
		'"\\ud800"',
		'"\\udc00\\ud800"',
		'"\\ud800x"',
		'{"\\u0000":1}',
		'{"a\\u0000b":1}',
		'18446744073709551616',
		'-9223372036854775809',
		'123456789012345678901234567890',
		'1e400',
		'-1e400',
		'1e99999999999',
		nested(32),
	];
	for (const value of values)
		test(value.slice(0, 40), async () => {
			assertProblem(await rest.put(path, `{"data":{"v":${value}}}`), 422);
			assertProblem(await rest.patch(path, `{"v":${value}}`, 'application/merge-patch+json'), 422);
			// how deep a patch makes the document is known only when there is one
			if (value !== nested(32))
				assertProblem(
					await rest.patch(
						path,
						`[{"op":"add","path":"/v","value":${value}}]`,
						'application/json-patch+json',
					),
					422,
				);
			assertProblem(await rest.get(path), 404);
		});

	test('the deepest document that is allowed is taken by all three', async () => {
		const deepest = documentPath('input', 'deep');
		assertStatus(await rest.put(deepest, `{"data":{"v":${nested(31)}}}`), 201);
		assertStatus(await rest.patch(deepest, `{"w":${nested(31)}}`, 'application/merge-patch+json'), 200);
		assertStatus(
			await rest.patch(
				deepest,
				`[{"op":"add","path":"/x","value":${nested(31)}}]`,
				'application/json-patch+json',
			),
			200,
		);
		assertProblem(
			await rest.patch(
				deepest,
				'[{"op":"add","path":"/y","value":{}},{"op":"copy","from":"/x","path":"/y/x"}]',
				'application/json-patch+json',
			),
			422,
		);
	});
});

test('what is stored is what was sent, byte for byte', async () => {
	const exact = documentPath('input', 'exact');
	const data =
		'{"array":[],"object":{},"nested":[[],{},[[]]],"above":9007199254740993,"most":18446744073709551615,"least":-9223372036854775808,' +
		'"exponent":1e21,"tenth":0.1,"one":1.0,"zero":-0,"text":"\\u00e9\\/ é \\ud83d\\ude00","":null,"E":1E+2,"tiny":5e-324}';
	const put = await rest.put(exact, `{"data":${data}}`);
	assertStatus(put, 201);
	assert.ok(put.text.includes(`"data":${data}`), put.text);
	assert.ok((await rest.get(exact)).text.includes(`"data":${data}`));
	assert.equal(
		await pair.redis.command('GET', 'syncdoc:data:input:exact').then(text => text.includes(`"data":${data}`)),
		true,
	);
	for (const [type, body] of [
		['application/merge-patch+json', '{"more":12345678901234567890}'],
		['application/json-patch+json', '[{"op":"replace","path":"/more","value":9007199254740995}]'],
	]) {
		const { text } = await rest.patch(exact, body, type);
		// numbers keep their text; how a string is escaped is no part of it
		for (const member of data
			.slice(1, -1)
			.split(/,(?=")/)
			.filter(one => !one.startsWith('"text"')))
			assert.ok(text.includes(member), `${type}: ${member} in ${text}`);
		assert.equal(JSON.parse(text).data.text, JSON.parse(data).text);
		assert.ok(text.includes(/\d{16,}/.exec(body)[0]), text);
	}
});

describe('too large is 413', () => {
	const large = documentPath('input', 'large');
	const text = length => 'x'.repeat(length);
	const dataOf = length => ({ data: { a: text(length - 8) } });

	test('just at the limit is fine', async () => {
		assertStatus(await rest.put(large, dataOf(MAX_SIZE)), 201);
	});
	test('data above documents.max_size', async () => {
		assertProblem(await rest.put(large, dataOf(MAX_SIZE + 1)), 413);
	});
	test('an announced length above it, answered without reading the body', async () => {
		assertProblem(await rest.put(large, dataOf(4 * MAX_SIZE)), 413);
	});
	test('a chunked body above it', async () => {
		assertProblem(
			await rest.request('PUT', large, { body: JSON.stringify(dataOf(2 * MAX_SIZE)), chunked: true }),
			413,
		);
	});
	test('a merge or patch that makes the document too large', async () => {
		const { text: before } = await rest.put(large, dataOf(MAX_SIZE));
		assertProblem(await rest.patch(large, { b: 1 }, 'application/merge-patch+json'), 413);
		assertProblem(
			await rest.patch(large, [{ op: 'copy', from: '/a', path: '/b' }], 'application/json-patch+json'),
			413,
		);
		assert.equal((await rest.get(large)).text, before);
	});
});

describe('methods and routes', () => {
	const allowed = {
		'/v1/services': 'GET, HEAD, OPTIONS',
		'/v1/services/s/documents': 'GET, HEAD, POST, OPTIONS',
		'/v1/services/s/documents:batchGet': 'POST, OPTIONS',
		'/v1/services/s/documents/x': 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS',
		'/livez': 'GET, HEAD, OPTIONS',
		'/readyz': 'GET, HEAD, OPTIONS',
		'/metrics': 'GET, HEAD, OPTIONS',
	};
	for (const [route, allow] of Object.entries(allowed))
		test(`${route} allows ${allow}`, async () => {
			const set = list => list.split(', ').sort().join();
			for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'].filter(
				name => !allow.includes(name),
			)) {
				const answer = await rest.request(method, route);
				assertProblem(answer, 405, 'method_not_allowed', method);
				assert.equal(set(answer.headers.allow), set(allow));
			}
			const options = await rest.request('OPTIONS', route);
			assert.ok(options.status === 200 || options.status === 204);
			assert.equal(set(options.headers.allow), set(allow));
			if (allow.includes('HEAD')) {
				const head = await rest.request('HEAD', route);
				assert.equal(head.status, (await rest.get(route)).status);
				assert.equal(head.text, '');
			}
		});

	test('HEAD of a document has the headers of GET', async () => {
		await rest.put(documentPath('input', 'head'), { data: { a: 1 } });
		const [get, head] = [
			await rest.get(documentPath('input', 'head')),
			await rest.request('HEAD', documentPath('input', 'head')),
		];
		for (const name of ['etag', 'content-type', 'content-length'])
			assert.equal(head.headers[name], get.headers[name], name);
	});

	for (const route of [
		'/v1',
		'/v1/',
		'/v2/services',
		'/v1/services/',
		'/v1/services/s',
		'/v1/services/s/documents/',
		'/v1/services/s/documents/x/',
		'/index.php',
	])
		test(`${route} is 404`, async () => assertProblem(await rest.get(route), 404));
});

describe('headers', () => {
	const html = { Accept: 'text/html' };
	test('Accept without JSON is 406', async () => {
		for (const accept of ['text/html', 'application/json;q=0', 'text/*, image/png'])
			assertProblem(await rest.get('/v1/services', { Accept: accept }), 406);
		for (const accept of ['*/*', 'application/*', 'text/html, application/json;q=0.5', ''])
			assertStatus(await rest.get('/v1/services', { Accept: accept }), 200);
		assertProblem(await rest.put(documentPath('input', 'never'), { data: {} }, html), 406);
		assertProblem(await rest.get(documentPath('input', 'never')), 404);
	});

	test('another Content-Type is 415 and the answer says which there are', async () => {
		const body = '{"data":{}}';
		for (const type of [
			'text/plain',
			'application/xml',
			'application/json; charset=latin1',
			'application/merge-patch+json',
		])
			assertProblem(await rest.request('PUT', path, { body, type }), 415);
		assertProblem(await rest.request('POST', collectionPath('input'), { body, type: 'text/plain' }), 415);
		const answer = await rest.request('PATCH', path, { body, type: 'application/json5' });
		assertProblem(answer, 415);
		for (const type of ['application/json', 'application/merge-patch+json', 'application/json-patch+json'])
			assert.ok(answer.headers['accept-patch'].includes(type));
		assertProblem(await rest.request('PUT', path, { body, type: null }), 415);
		assertStatus(
			await rest.request('PUT', documentPath('input', 'type'), { body, type: 'Application/JSON; charset=UTF-8' }),
			201,
		);
	});

	test('a body with a Content-Encoding is 415, even where it could be read without', async () => {
		const target = documentPath('input', 'coded');
		const put = (coding, body) => rest.put(target, body, { 'Content-Encoding': coding });
		for (const [coding, body] of [['gzip', gzipSync('{"data":{}}')], ['gzip', '{"data":{}}'], ['br', '{"data":{}}']]) {
			const answer = await put(coding, body);
			assert.match(assertProblem(answer, 415, 'unsupported_media_type').detail, /Content-Encoding/);
			assert.equal(answer.headers['accept-encoding'], 'identity');
		}
		assertProblem(await rest.get(target), 404, 'document_not_found');
		assertStatus(await put('Identity', '{"data":{}}'), 201);
	});

	test('every answer has an X-Request-Id of its own', async () => {
		const seen = new Set();
		const answers = [
			await rest.get('/livez'),
			await rest.get('/nowhere'),
			await rest.put(path, '{'),
			await rest.request('POST', '/livez'),
			await rest.get('/livez', { Host: 'evil.example' }),
			await rest.request('OPTIONS', '/v1/services'),
			await rest.put(path, 'x'.repeat(1 << 20)),
		];
		for (const { headers, status } of answers) {
			assert.ok(headers['x-request-id'], `status ${status}`);
			seen.add(headers['x-request-id']);
		}
		assert.equal(seen.size, answers.length);
	});

	for (const [host, status] of [
		['evil.example', 421],
		['127.0.0.1.evil.example', 421],
		['127.0.0.2', 421],
		['localhost', 200],
		['LOCALHOST:9', 200],
		['127.0.0.1', 200],
		['127.0.0.1:80', 200],
		['sync.example.org', 200],
		['sync.example.org:443', 200],
		['node-one', 200],
		['xsync.example.org', 421],
	])
		test(`Host: ${host} is ${status}`, async () => {
			const answer = await rest.get('/v1/services', { Host: host });
			if (status === 421) assertProblem(answer, 421);
			else assertStatus(answer, 200);
		});

	test('CORS: the origins of cors_origins and no others', async () => {
		const mine = { Origin: 'https://app.example.org' },
			other = { Origin: 'https://evil.example' };
		assert.equal((await rest.get('/v1/services', mine)).headers['access-control-allow-origin'], mine.Origin);
		assert.match((await rest.get('/v1/services', mine)).headers.vary, /Origin/);
		assert.equal((await rest.get('/v1/services', other)).headers['access-control-allow-origin'], undefined);
		const ask = {
			'Access-Control-Request-Method': 'PUT',
			'Access-Control-Request-Headers': 'content-type, if-match',
		};
		const preflight = await rest.request('OPTIONS', path, { headers: { ...mine, ...ask } });
		assert.ok(preflight.status === 200 || preflight.status === 204);
		assert.match(preflight.headers['access-control-allow-methods'], /\bPUT\b/);
		assert.match(preflight.headers['access-control-allow-headers'].toLowerCase(), /content-type.*if-match/);
		const refused = await rest.request('OPTIONS', path, { headers: { ...other, ...ask } });
		assert.equal(refused.headers['access-control-allow-origin'], undefined);
		assert.equal(refused.headers['access-control-allow-methods'], undefined);
		const exposed = (await rest.get('/v1/services', mine)).headers['access-control-expose-headers'].toLowerCase();
		for (const name of ['etag', 'location', 'retry-after', 'x-request-id']) assert.ok(exposed.includes(name), name);
	});

	test('a unix socket serves the same', async () => {
		const local = new Rest(pair.daemon.url, { socketPath: pair.daemon.socket });
		assertStatus(await local.put(documentPath('input', 'local'), { data: { a: 1 } }), 201);
		assert.equal(
			(await rest.get(documentPath('input', 'local'))).text,
			(await local.get(documentPath('input', 'local'))).text,
		);
		local.close();
	});
});
