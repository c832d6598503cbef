// conditional_read.test.js: GET with If-None-Match and HEAD answer as if the whole document had been read, and only its head is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, documentPath, keys, startPair, until } from './harness.js';

// A small one is read as a whole once it is known to be; see common/store_read_unless.c.
const DATA = { text: 'é"\\ '.repeat(100), n: [1, 2.5, null, {}, []] },
	LARGE = { ...DATA, text: DATA.text.repeat(50) };

// What Redis has sent to all its clients.
const bytesOut = async redis => Number(/total_net_output_bytes:(\d+)/.exec(await redis.command('INFO', 'stats'))[1]);

for (const encoding of ['string', 'json'])
	describe(`redis.encoding = ${encoding}`, () => {
		let pair, rest, redis;
		before(async () => {
			pair = await startPair({ settings: { 'redis.encoding': encoding, workers: 1 } });
			({ rest, redis } = pair);
		});
		after(() => pair?.stop());

		const skipWithoutJson = async t => {
			if (encoding === 'string' || (await redis.command('COMMAND', 'INFO', 'JSON.SET'))[0]) return false;
			t.skip('SYNCDOC_TEST_REDIS_ARGS names no server with JSON.SET');
			return true;
		};

		async function checkHeaders(data) {
			const path = documentPath('conditional', 'x');
			const { etag } = (await rest.put(path, { data, ttl: 1000 })).headers;
			const whole = await rest.get(path);
			assert.deepEqual(assertStatus(whole, 200).data, data);
			assert.equal(await redis.command('TYPE', keys.data('conditional', 'x')), encoding === 'json' ? 'ReJSON-RL' : 'string');
			for (const tag of ['*', etag, `W/${etag}`, `"1-1", "other", ${etag}`, `${Array.from({ length: 15 }, (_, i) => `"9-${i + 1}"`)},${etag}`]) {
				const same = await rest.get(path, { 'If-None-Match': tag });
				assert.equal(same.status, 304, tag);
				assert.equal(same.text, '');
				for (const name of ['etag', 'content-length', 'cache-control', 'vary']) assert.equal(same.headers[name], whole.headers[name], `${tag}: ${name}`);
			}
			for (const headers of [{}, { 'If-None-Match': '"1-1"' }, { 'If-None-Match': 'W/"other"' }]) {
				const head = await rest.request('HEAD', path, { headers });
				assert.equal(head.status, 200);
				assert.equal(head.text, '');
				for (const name of ['etag', 'content-length', 'content-type', 'vary']) assert.equal(head.headers[name], whole.headers[name], name);
				assert.equal((await rest.get(path, { headers })).text, whole.text);
			}
			assert.equal((await rest.request('HEAD', path, { headers: { 'If-None-Match': etag } })).status, 304);
			assert.equal((await rest.get(path, { 'If-None-Match': '"1-1", "1-2"' })).text, whole.text);
		}

		test('304 and HEAD have the headers of the 200, and no body', async t => {
			if (await skipWithoutJson(t)) return;
			for (const data of [DATA, LARGE, DATA]) await checkHeaders(data);
		});

		test('what is not there, deleted, expired or purged is not "not modified"', async t => {
			if (await skipWithoutJson(t)) return;
			const path = documentPath('conditional', 'gone');
			for (const tag of ['*', '"1-1"']) assertProblem(await rest.get(path, { 'If-None-Match': tag }), 404, 'document_not_found');
			assert.equal((await rest.request('HEAD', path)).status, 404);

			const { etag } = (await rest.put(path, { data: LARGE })).headers;
			const gone = (await rest.delete(path)).headers.etag;
			for (const tag of ['*', etag, gone]) {
				const problem = assertProblem(await rest.get(path, { 'If-None-Match': tag }), 410, 'document_deleted');
				assert.equal(problem.currentRevision, 2, tag);
			}
			assert.equal((await rest.request('HEAD', path)).status, 410);
			const shown = await rest.get(`${path}?deleted=true`);
			const same = await rest.get(`${path}?deleted=true`, { 'If-None-Match': gone });
			assert.equal(same.status, 304);
			assert.equal(same.headers['content-length'], shown.headers['content-length']);
			assertStatus(await rest.get(`${path}?deleted=true`, { 'If-None-Match': etag }), 200);

			await redis.command('UNLINK', keys.data('conditional', 'gone')); // as a purge does
			assertProblem(await rest.get(path, { 'If-None-Match': gone }), 404, 'document_not_found');

			const passing = documentPath('conditional', 'passing');
			const expiring = (await rest.put(passing, { data: LARGE, expiresAt: Date.now() + 1500 })).headers.etag;
			assert.equal((await rest.get(passing, { 'If-None-Match': expiring })).status, 304);
			const late = await until(
				async () => {
					const answer = await rest.get(passing, { 'If-None-Match': expiring });
					return answer.status !== 304 && answer;
				},
				5000,
				'its time is over',
			);
			assertProblem(late, 410, 'document_expired');
		});

		test('Redis sends no more than the head', async t => {
			if (await skipWithoutJson(t)) return;
			const path = documentPath('conditional', 'large'),
				count = 20;
			const { etag } = (await rest.put(path, { data: { text: 'x'.repeat(50000) } })).headers;
			const sentBy = async work => {
				const before = await bytesOut(redis);
				for (let i = 0; i < count; i++) await work();
				return ((await bytesOut(redis)) - before) / count;
			};
			assert.ok((await sentBy(() => rest.get(path))) > 50000);
			assert.ok((await sentBy(() => rest.get(path, { 'If-None-Match': etag }))) < 10000);
			assert.ok((await sentBy(() => rest.get(path, { 'If-None-Match': '*' }))) < 10000);
			assert.ok((await sentBy(() => rest.request('HEAD', path))) < 10000);
		});
	});
