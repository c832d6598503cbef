// auth_keys.test.js: which tokens are taken: signatures, claims, times, key rotation by reload, and files that are no good.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	Daemon,
	Redis,
	assertProblem,
	assertStatus,
	bearer,
	documentPath,
	ecKeys,
	jwtSettings,
	makeDirectory,
	now,
	rsaKeys,
	secret,
	sign,
	token,
	until,
	writeFile,
} from './harness.js';

const place = name => path.join(directory, name);
const all = { '*': 'rwpa' };

let directory, redis;
before(async () => {
	directory = makeDirectory('auth');
	redis = await Redis.start();
});
after(() => redis?.stop());

async function withTokens(options, work) {
	const daemon = await Daemon.start({ redis, ...options });
	try {
		await work(daemon);
	} finally {
		await daemon.stop();
	}
	assert.doesNotMatch(daemon.stderr, /eyJ/, 'a token in the log');
}

// On a connection of its own: a worker that ends closes those that are kept.
async function statusOf(daemon, text) {
	const client = daemon.client({ keepAlive: false });
	const { status } = await client.get('/v1/services', bearer(text));
	client.close();
	return status;
}

describe('algorithms', () => {
	const rsa = rsaKeys(), ec = ecKeys(), hmac = secret();
	const rows = [
		['HS256', hmac, hmac],
		['RS256', rsa.publicKey, rsa.privateKey],
		['ES256', ec.publicKey, ec.privateKey],
	];
	for (const [alg, verifying, signing] of rows)
		test(`${alg}: its own tokens, and no others`, () =>
			withTokens(
				{ settings: jwtSettings(writeFile(place(alg), verifying), { 'auth.algorithm': alg }) },
				async daemon => {
					const good = token(all, signing, { alg });
					assert.equal(await statusOf(daemon, good), 200);
					assert.equal(await statusOf(daemon, good), 200, 'known from the first time');
					// Who has the public key must not be able to sign with it.
					assert.equal(await statusOf(daemon, token(all, verifying, { alg: 'HS256' })), alg === 'HS256' ? 200 : 401);
					for (const [other, , key] of rows)
						if (other !== alg) {
							assert.equal(await statusOf(daemon, token(all, key, { alg: other })), 401);
							// Signed by one, announced as the other.
							assert.equal(await statusOf(daemon, token(all, key, { alg: other, header: { alg } })), 401);
						}
					const [head, claims, signature] = good.split('.');
					const changed = Buffer.from(JSON.stringify({ sub: 'bob', exp: now() + 300, syncdoc: all })).toString('base64url');
					const bad = [
						`${head}.${changed}.${signature}`,
						`${head}.${claims}.`,
						`${head}.${claims}`,
						`${head}.${claims}.${signature}.`,
						`${head}.${claims}.${signature}x`,
						`${head}.${claims}.${signature.slice(0, -4)}`,
						`${head}.${claims}=.${signature}`,
						`.${claims}.${signature}`,
						`${head}..${signature}`,
						'x',
						'....',
						'a'.repeat(6000),
						token(all, signing, { alg, header: { alg: alg.toLowerCase() } }),
						token(all, signing, { alg, header: { alg: undefined } }),
						token(all, signing, { alg, header: { alg: [alg] } }),
						token(all, signing, { alg, header: { crit: ['exp'] } }),
						token(all, signing, { alg, header: { kid: 7 } }),
						sign('no json', signing, { alg }),
						sign('[]', signing, { alg }),
						sign(`{"sub":"ann","sub":"bob","exp":${now() + 300}}`, signing, { alg }),
						sign(`{"sub":"ann","exp":${now() + 300},}`, signing, { alg }),
					];
					for (const text of bad) {
						const answer = await daemon.rest.get('/v1/services', bearer(text));
						assertProblem(answer, 401, 'invalid_token', text);
						assert.ok(!answer.text.includes(text.slice(0, 20)) || text.length < 20, 'a token in an answer');
					}
				},
			));
});

test('exp, nbf, iss, aud, sub and the claim are judged', () => {
	const key = secret();
	const settings = jwtSettings(writeFile(place('claims'), key), { 'auth.audience': 'docs', 'auth.issuer': 'https://id.example' });
	const base = { aud: 'docs', iss: 'https://id.example' };
	const rows = [
		[{}, 200],
		[{ exp: undefined }, 401],
		[{ exp: 'soon' }, 401],
		[{ exp: -1 }, 401],
		[{ exp: 1e300 }, 401],
		[{ exp: now() - 20 }, 200], // the clocks may differ by 30 s
		[{ exp: now() - 40 }, 401, 'token_expired'],
		[{ exp: now() + 100.5 }, 200],
		[{ nbf: now() + 20 }, 200],
		[{ nbf: now() + 100 }, 401],
		[{ nbf: 'x' }, 401],
		[{ iat: 'x' }, 401],
		[{ aud: ['other', 'docs'] }, 200],
		[{ aud: ['other'] }, 401],
		[{ aud: [] }, 401],
		[{ aud: { docs: 1 } }, 401],
		[{ aud: undefined }, 401],
		[{ iss: 'https://id.example/' }, 401],
		[{ iss: undefined }, 401],
		[{ sub: undefined }, 401],
		[{ sub: '' }, 401],
		[{ sub: 7 }, 401],
		[{ sub: 'a\nb' }, 401],
		[{ sub: 'x'.repeat(129) }, 401],
		[{ sub: 'Ö'.repeat(64) }, 200],
		[{ jti: 7 }, 401],
		[{ syncdoc: 'r' }, 401],
		[{ syncdoc: { s: 'read' } }, 401],
		[{ syncdoc: { s: { rights: 'r', document: ['x'] } } }, 401],
		[{ syncdoc: { s: { rights: 'r', documents: ['a*b'] } } }, 401],
		[{ syncdoc: undefined }, 200], // known, and may do nothing
	];
	return withTokens({ settings }, async daemon => {
		for (const [claims, status, code] of rows) {
			const answer = await daemon.rest.get('/v1/services', bearer(token(all, key, { claims: { ...base, ...claims } })));
			assert.equal(answer.status, status, `${JSON.stringify(claims)}: ${answer.text}`);
			if (status === 401) assert.equal(answer.json.code, code ?? 'invalid_token');
		}
		const nothing = bearer(token(undefined, key, { claims: base }));
		assertProblem(await daemon.rest.get(documentPath('s', 'd'), nothing), 403, 'forbidden');
		assert.deepEqual((await daemon.rest.get('/v1/services', nothing)).json, { items: [] });
		for (const header of ['Basic YTpi', 'Bearer', 'Bearer ', 'eyJ', `Token ${token(all, key, { claims: base })}`])
			assertProblem(await daemon.rest.get('/v1/services', { Authorization: header }), 401, 'invalid_token');
		assertStatus(await daemon.rest.get('/v1/services', { Authorization: `bEARER ${token(all, key, { claims: base })}` }), 200);
	});
});

test('keys are found by kid, change by reload, and a broken file leaves all as it was', () => {
	const old = secret(), fresh = secret(), unnamed = secret();
	writeFile(place('old'), old);
	writeFile(place('unnamed'), unnamed);
	const settings = { 'auth.mode': 'jwt', 'auth.algorithm': 'HS256' };
	const config = keys => `auth { key = {${keys.map(key => JSON.stringify(key)).join(', ')}} }\n`;
	const kid = (name, key) => token(all, key, { header: { kid: name } });
	return withTokens({ settings, config: config([`old=${place('old')}`, place('unnamed')]) }, async daemon => {
		const pids = () => daemon.workers().map(worker => worker.pid);
		const reload = async keys => {
			const former = pids();
			fs.writeFileSync(daemon.configFile, config(keys));
			daemon.process.kill('SIGHUP');
			await until(() => pids().length && pids().every(pid => !former.includes(pid)), undefined, () => 'new workers');
		};
		assert.equal(await statusOf(daemon, kid('old', old)), 200);
		assert.equal(await statusOf(daemon, kid('fresh', old)), 401, 'a kid that names no key');
		assert.equal(await statusOf(daemon, kid('fresh', fresh)), 401);
		assert.equal(await statusOf(daemon, token(all, old)), 200, 'no kid: all keys are tried');
		assert.equal(await statusOf(daemon, kid('anything', unnamed)), 200, 'a key without kid is tried for all');

		writeFile(place('fresh'), fresh);
		await reload([`old=${place('old')}`, `fresh=${place('fresh')}`]);
		assert.equal(await statusOf(daemon, kid('old', old)), 200);
		assert.equal(await statusOf(daemon, kid('fresh', fresh)), 200);
		assert.equal(await statusOf(daemon, kid('old', fresh)), 401, 'the key of another kid');
		assert.equal(await statusOf(daemon, kid('anything', unnamed)), 401);

		writeFile(place('fresh'), 'short');
		const before = pids();
		fs.writeFileSync(daemon.configFile, config([`fresh=${place('fresh')}`]));
		daemon.process.kill('SIGHUP');
		await until(() => /auth\.key: .*fresh: is shorter/.test(daemon.stderr), undefined, () => daemon.stderr.slice(-500));
		assert.deepEqual(pids(), before);
		assert.equal(await statusOf(daemon, kid('old', old)), 200);
		// Also a worker that is born now has what was read.
		process.kill(before[0], 'SIGKILL');
		await until(() => pids().length && !pids().includes(before[0]), undefined, () => 'another worker');
		await daemon.waitUntilReady();
		assert.equal(await statusOf(daemon, kid('fresh', fresh)), 200);

		writeFile(place('fresh'), fresh);
		await reload([`fresh=${place('fresh')}`]);
		assert.equal(await statusOf(daemon, kid('old', old)), 401);
		assert.equal(await statusOf(daemon, kid('fresh', fresh)), 200);
	});
});

test('a start with keys that are no good is refused, and says which', async () => {
	const rows = [
		['short', 'x', 0o600, /short: is shorter/],
		['open', secret(), 0o622, /open: may be written/],
		['pem', rsaKeys().publicKey, 0o600, /pem: is a PEM key/],
	];
	for (const [name, text, mode, expected] of rows) {
		const daemon = new Daemon({ redis, wait: false, settings: jwtSettings(writeFile(place(name), text, mode)) });
		await daemon.start();
		const end = await daemon.process.waitForExit();
		assert.equal(end.code, 1, name);
		assert.match(daemon.stderr, expected);
	}
});

test('static tokens: as they stand in the file or hashed there, changed by reload', () => {
	const plain = 'Qh0vVnqjzU2mCkLxW0r.a~b', hidden = secret();
	const digest = crypto.createHash('sha256').update(hidden).digest('hex');
	const file = writeFile(place('tokens'), `# who\n${plain} ann rw\nsha256:${digest}\tbot  {"s": {"rights":"r","documents":["b-*"]}}\n`);
	return withTokens({ settings: { 'auth.mode': 'token', 'auth.tokens': file } }, async daemon => {
		const put = await daemon.rest.put(documentPath('s', 'static'), { data: {} }, bearer(plain));
		assert.equal(put.status, 201, put.text);
		const history = await daemon.rest.get(`${documentPath('s', 'static')}/history`, bearer(plain));
		assert.equal(history.json.revisions[0].by, 'ann');
		assertProblem(await daemon.rest.get(documentPath('s', 'static'), bearer(hidden)), 403, 'forbidden');
		assertProblem(await daemon.rest.get(documentPath('s', 'b-1'), bearer(hidden)), 404, 'document_not_found');
		for (const text of [plain.slice(1), `${plain}x`, digest, `sha256:${digest}`, token(all, hidden)])
			assertProblem(await daemon.rest.get('/v1/services', bearer(text)), 401, 'invalid_token');
		const ws = await daemon.connect();
		assert.equal((await ws.request({ type: 'auth', token: hidden })).userId, 'bot');
		const former = daemon.workers().map(worker => worker.pid);
		writeFile(file, `${plain} ann r\n`);
		daemon.process.kill('SIGHUP');
		await until(() => daemon.workers().every(worker => !former.includes(worker.pid)), undefined, () => 'new workers');
		const fresh = daemon.client({ keepAlive: false });
		assert.equal((await fresh.put(documentPath('s', 'static'), { data: {} }, bearer(plain))).status, 403);
		assert.equal(await statusOf(daemon, hidden), 401);
		assert.ok(!daemon.stderr.includes(plain) && !daemon.stderr.includes(hidden), 'a token in the log');
	});
});
