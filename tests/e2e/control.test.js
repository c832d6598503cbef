// control.test.js: the control socket: who may, what is said, what is done, and that nobody can hold the supervisor up.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	DEADLINE_MS,
	Daemon,
	Redis,
	SYNCDOCD,
	assertStatus,
	documentPath,
	freePort,
	isAlive,
	makeDirectory,
	run,
	sanitizerEnvironment,
	startPair,
	until,
} from './harness.js';
import { ControlClient, askControl, controlPath } from './lib/control.js';
import { ctl } from './lib/ctl.js';

const WORKERS = 2;
let pair, daemon;
before(async () => {
	pair = await startPair({ settings: { workers: WORKERS } });
	({ daemon } = pair);
});
after(() => pair?.stop());

const status = async (of = daemon) => {
	const answer = await askControl(of, { verb: 'status' });
	assert.equal(answer.ok, true, JSON.stringify(answer));
	return answer.result;
};
const serving = result => result.workers.filter(worker => !worker.draining);

describe('status', () => {
	test('says what runs: supervisor, Redis, marks, ring, workers', async () => {
		const ws = await daemon.connect();
		await ws.subscribe({ topic: 'sync.*.*' });
		const result = await until(async () => {
			const now = await status();
			return serving(now).reduce((sum, worker) => sum + worker.connections, 0) === 1 && now;
		});
		assert.match(result.version, /^\d+\.\d+\.\d+/);
		assert.equal(result.pid, daemon.pid);
		assert.equal(result.phase, 'running');
		assert.equal(result.config, daemon.configFile);
		assert.equal(result.stateDir, daemon.stateDir);
		assert.deepEqual(result.listen, [`127.0.0.1:${daemon.port}`]);
		assert.match(result.incarnation, /^\d+$/);
		assert.ok(result.uptimeMs > 0);
		assert.deepEqual(
			[result.redis.commands, result.redis.subscription, result.redis.embeddedPid],
			['ready', 'ready', 0],
		);
		assert.equal(result.redis.url, pair.redis.url);
		assert.equal(result.marks.active, true);
		assert.match(result.marks.position, /^[0-9a-f]{8}-\d+$/);
		assert.ok(result.marks.ageMs >= 0 && result.marks.ageMs < 15000);
		assert.equal(result.ring.size, 4 << 20);
		assert.deepEqual(result.workers.map(worker => worker.pid).sort(), daemon.workers().map(child => child.pid).sort());
		assert.deepEqual(result.workers.map(worker => worker.index).sort(), [0, 1]);
		for (const worker of result.workers) {
			assert.ok(worker.heartbeatAgeMs >= 0 && worker.heartbeatAgeMs < 10000);
			assert.equal(worker.generation, result.generation);
		}
		ws.close();
	});

	test('names the embedded Redis, which is a child of the supervisor', async () => {
		const embedded = await Daemon.start();
		try {
			const { redis } = await status(embedded);
			assert.ok(isAlive(redis.embeddedPid));
			assert.match(fs.readFileSync(`/proc/${redis.embeddedPid}/cmdline`, 'utf8'), /redis|valkey/);
		} finally {
			await embedded.stop();
		}
		assert.equal(fs.existsSync(controlPath(embedded)), false, 'the socket goes with the daemon');
	});

	test('does not show the password of Redis', async () => {
		const redis = await Redis.start({ password: 'sesame-5417', port: await freePort() });
		try {
			const guarded = await Daemon.start({ redis });
			try {
				assert.doesNotMatch(JSON.stringify(await status(guarded)), /sesame/);
			} finally {
				await guarded.stop();
			}
		} finally {
			await redis.stop();
		}
	});
});

describe('top', () => {
	test('has every counter of every worker, and they move', async () => {
		const names = fs
			.readFileSync(new URL('../../common/stats.def', import.meta.url), 'utf8')
			.matchAll(/^STAT_(?:COUNTER|GAUGE)\((\w+),/gm);
		const wanted = [...names].map(match => match[1]).sort();
		const look = async () => (await askControl(daemon, { verb: 'top' })).result;
		const sum = (result, name) => result.workers.reduce((total, worker) => total + worker.counters[name], 0);
		const first = await look();
		for (const worker of first.workers) assert.deepEqual(Object.keys(worker.counters).sort(), wanted);
		for (let i = 0; i < 3; i++) await daemon.rest.put(documentPath('top', 'a'), { data: { i } });
		const grown = async () => sum(await look(), 'writes_total') - sum(first, 'writes_total');
		await until(async () => (await grown()) >= 3);
		assert.equal(await grown(), 3);
	});
});

describe('loglevel', () => {
	const level = value => askControl(daemon, { verb: 'loglevel', ...(value && { level: value }) });

	test('is told, changed in all processes at once, and unknown ones are refused', async () => {
		assert.deepEqual((await level()).result, { level: 'info', former: 'info' });
		assert.deepEqual((await level('error')).result, { level: 'error', former: 'info' });
		assert.equal((await status()).logLevel, 'error');
		const before = daemon.stderr.length;
		// A draining worker says so at level info.
		const { result } = await askControl(daemon, { verb: 'drain', worker: 0 });
		await until(() => !isAlive(result.pid), undefined, 'the drained worker ends');
		assert.doesNotMatch(daemon.stderr.slice(before), /draining:|drained|: started/);
		assert.deepEqual((await level('info')).result, { level: 'info', former: 'error' });
		const second = await askControl(daemon, { verb: 'drain', worker: 0 });
		await until(() => daemon.stderr.includes(`(pid ${second.result.pid}): drained`));
		assert.match(daemon.stderr.slice(before), /worker 0\[\d+\] info: draining:/);
		for (const wrong of ['loud', '', 7, null]) {
			const answer = await askControl(daemon, { verb: 'loglevel', level: wrong });
			assert.deepEqual([answer.ok, answer.code], [false, 'invalid_level'], String(wrong));
		}
	});

	test('a reload puts the configured one in force again', async () => {
		await level('debug');
		assert.equal((await askControl(daemon, { verb: 'reload' })).ok, true);
		assert.equal((await status()).logLevel, 'info');
	});
});

describe('reload', () => {
	test('starts a new generation; a faulty file is refused with its fault and changes nothing', async () => {
		const before = await status();
		const answer = await askControl(daemon, { verb: 'reload' });
		assert.deepEqual(answer, { ok: true, result: { generation: before.generation + 1, waits: false, needsRestart: [] } });
		await until(async () => (await status()).workers.length === WORKERS, undefined, 'the old ones are gone');
		fs.writeFileSync(daemon.configFile, 'workres = 3\n');
		const refused = await askControl(daemon, { verb: 'reload' });
		fs.writeFileSync(daemon.configFile, '');
		assert.deepEqual([refused.ok, refused.code], [false, 'invalid_configuration']);
		assert.match(refused.detail, /syncdocd\.conf:1: .*workres/);
		assert.equal((await status()).generation, before.generation + 1);
	});

	test('says which keys need a restart, as long as they do', async () => {
		const needed = async () => (await status()).needsRestart;
		fs.writeFileSync(daemon.configFile, 'pid_file = "/tmp/another.pid"\nnode = "another"\n');
		assert.deepEqual((await askControl(daemon, { verb: 'reload' })).result.needsRestart, ['pid_file', 'node']);
		await until(async () => (await status()).workers.length === WORKERS, undefined, 'the old ones are gone');
		assert.deepEqual(await needed(), ['pid_file', 'node']);
		const told = await ctl(daemon, ['reload']);
		assert.match(told.stdout, /^a restart is needed for pid_file, node$/m);
		assert.match((await ctl(daemon, ['status'])).stdout, /^restart +needed for pid_file, node$/m);
		fs.writeFileSync(daemon.configFile, '');
		assert.deepEqual((await askControl(daemon, { verb: 'reload' })).result.needsRestart, []);
		assert.deepEqual(await needed(), []);
		// Refused as a whole: nothing of it waits for a restart.
		fs.writeFileSync(daemon.configFile, 'node = "another"\nauth { mode = "token" tokens = "/nowhere" }\n');
		const refused = await askControl(daemon, { verb: 'reload' });
		fs.writeFileSync(daemon.configFile, '');
		assert.deepEqual([refused.ok, refused.code], [false, 'invalid_configuration']);
		assert.match(refused.detail, /\/nowhere/);
		assert.deepEqual(await needed(), []);
	});
});

describe('drain', () => {
	test('replaces one worker: its clients are sent away, the others are not, and requests go on', async () => {
		const first = await status();
		const victim = serving(first).find(worker => worker.index === 1);
		const clients = [];
		// Until the victim has some and the other has some.
		await until(async () => {
			clients.push(await daemon.connect());
			const counts = (await status()).workers.map(worker => worker.connections);
			return counts.every(count => count > 0);
		});
		const answer = await askControl(daemon, { verb: 'drain', worker: 1 });
		assert.deepEqual(answer.result, { drained: 1, pid: victim.pid });
		await until(() => !isAlive(victim.pid), undefined, 'the drained worker ends');
		const sentAway = () => clients.filter(client => client.messages.some(message => message.type === 'goaway')).length;
		const away = await until(sentAway, undefined, 'a goaway');
		const now = await status();
		assert.equal(now.generation, first.generation);
		assert.equal(serving(now).length, WORKERS);
		const other = serving(first).find(worker => worker.index === 0).pid;
		assert.ok(serving(now).some(worker => worker.pid === other && worker.connections > 0), 'the other keeps its own');
		assert.ok(serving(now).some(worker => worker.index === 1 && worker.pid !== victim.pid));
		assert.ok(away > 0 && away < clients.length, `${away} of ${clients.length} were sent away`);
		assertStatus(await daemon.rest.get('/v1/services'), 200);
		for (const client of clients) client.close();
	});

	test('refuses workers that do not exist', async () => {
		for (const [worker, code] of [
			[WORKERS, 'no_such_worker'],
			[-1, 'no_such_worker'],
			['one', 'invalid_request'],
			[undefined, 'invalid_request'],
			[1.5, 'invalid_request'],
		]) {
			const answer = await askControl(daemon, { verb: 'drain', worker });
			assert.deepEqual([answer.ok, answer.code], [false, code], String(worker));
		}
	});

	test('drained again and again, a place for a reload stays free', async () => {
		// A client that stays makes each drain last until drain_timeout.
		const slow = await Daemon.start({ redis: pair.redis, settings: { workers: 1, drain_timeout: 600, drain_rate: 1 } });
		try {
			const answers = [];
			for (let i = 0; i < 5; i++) {
				const streams = [];
				for (let n = 0; n < 30; n++) streams.push(await slow.connect());
				answers.push(await askControl(slow, { verb: 'drain', worker: 0 }));
				if (!answers.at(-1).ok) break;
			}
			assert.equal(answers.at(-1).code, 'too_many_draining');
			assert.equal((await askControl(slow, { verb: 'reload' })).result.waits, false);
		} finally {
			await slow.stop();
		}
	});

	test('all ends the daemon with 0', async () => {
		const short = await Daemon.start({ redis: pair.redis });
		const client = await ControlClient.connect(controlPath(short));
		assert.deepEqual(await client.ask({ verb: 'drain', worker: 'all' }), {
			ok: true,
			result: { drained: 'all', pid: short.pid },
		});
		const end = await short.process.waitForExit();
		assert.deepEqual([end.code, end.signal], [0, null]);
		await short.stop();
	});
});

describe('input', () => {
	test('nonsense is refused, and the connection goes on', async () => {
		const client = await ControlClient.connect(controlPath(daemon));
		for (const [line, code] of [
			['', 'invalid_request'],
			['status', 'invalid_request'],
			['[]', 'invalid_request'],
			['{"verb":"status"', 'invalid_request'],
			['{"verb":7}', 'unknown_verb'],
			['{"verb":"stat"}', 'unknown_verb'],
			['{}', 'unknown_verb'],
			['{"verb":"status","all":true}', 'unknown_member'],
			['{"verb":"reload","level":"debug"}', 'unknown_member'],
			['{"verb":"status","x":[[[[[[1]]]]]]}', 'invalid_request'],
			['\u0000\u0001', 'invalid_request'],
		]) {
			const answer = await client.send(`${line}\n`);
			assert.deepEqual([answer.ok, answer.code], [false, code], line);
			assert.ok(answer.detail.length > 0);
		}
		assert.equal((await client.ask({ verb: 'status' })).ok, true);
		client.close();
	});

	test('many requests in one write are answered in their order; a cut one waits for its rest', async () => {
		const client = await ControlClient.connect(controlPath(daemon));
		client.socket.write('{"verb":"loglevel"}\n'.repeat(50) + '{"verb":"stat');
		for (let i = 0; i < 50; i++) assert.equal(JSON.parse(await client.line()).result.level, 'info');
		assert.equal((await client.send('us"}\n')).ok, true);
		client.close();
	});

	test('a line that does not end is refused and cut', async () => {
		const client = await ControlClient.connect(controlPath(daemon));
		const answer = await client.send('x'.repeat(5000));
		assert.equal(answer.code, 'too_long');
		await until(() => client.closed);
	});

	test('clients above the maximum are told so; places become free again', async () => {
		const clients = [];
		for (let i = 0; i < 8; i++) {
			const client = await ControlClient.connect(controlPath(daemon));
			await client.ask({ verb: 'loglevel' });
			clients.push(client);
		}
		const ninth = await ControlClient.connect(controlPath(daemon));
		assert.equal(JSON.parse(await ninth.line()).code, 'busy');
		for (const client of clients) client.close();
		const result = await until(async () => {
			const answer = await askControl(daemon, { verb: 'status' });
			return answer.ok && answer.result;
		});
		assert.ok(result.control.refusedBusy >= 1);
	});

	test('a client that does not read its answers holds nobody up', async () => {
		const deaf = net.connect(controlPath(daemon));
		await new Promise(resolve => deaf.once('connect', resolve));
		deaf.pause();
		// Until the kernel takes no more: the answers are not read either.
		await until(() => !deaf.write('{"verb":"top"}\n'.repeat(200)) && deaf.writableLength > 65536);
		for (let i = 0; i < 5; i++) assert.equal((await askControl(daemon, { verb: 'status' })).ok, true);
		assertStatus(await daemon.rest.get('/v1/services'), 200);
		deaf.destroy();
	});
});

describe('the file', () => {
	test('is for its owner alone, and other users are refused', async t => {
		const { mode } = fs.statSync(controlPath(daemon));
		assert.equal(mode & 0o777, 0o600);
		if (process.getuid() !== 0) return t.skip('not root: no other user to try with');
		// The mode would keep them out already; here the credentials are what is asked.
		const directory = makeDirectory('control');
		fs.chmodSync(directory, 0o755);
		const stateDir = path.join(directory, 'state');
		fs.mkdirSync(stateDir);
		const other = await Daemon.start({ redis: pair.redis, directory });
		try {
			fs.chmodSync(stateDir, 0o755);
			fs.chmodSync(path.join(stateDir, 'control.sock'), 0o777);
			const script = `const s=require('net').connect(${JSON.stringify(controlPath(other))});
				s.on('data',d=>{process.stdout.write(d)});s.on('error',e=>console.log(e.code))`;
			const said = execFileSync(process.execPath, ['-e', script], { uid: 65534, gid: 65534, timeout: DEADLINE_MS });
			assert.equal(JSON.parse(said).code, 'forbidden');
			assert.ok((await status(other)).control.refusedPeer >= 1);
		} finally {
			await other.stop();
		}
	});

	test('of a killed run is replaced; what is no socket is left alone and said', async () => {
		const first = await Daemon.start({ redis: pair.redis });
		await first.process.kill9();
		assert.ok(fs.existsSync(controlPath(first)), 'a stale socket');
		const second = await Daemon.start({ redis: pair.redis, directory: first.directory });
		assert.equal((await status(second)).pid, second.pid);
		await second.stop();

		fs.writeFileSync(controlPath(first), 'precious');
		const args = ['-f', '-o', `state_dir=${first.stateDir}`, '-o', 'listen=127.0.0.1:1', '-o', `redis.url=${pair.redis.url}`];
		const refused = await run(SYNCDOCD, args.map(arg => arg.replace('127.0.0.1:1', `unix:${first.directory}/s`)), {
			env: sanitizerEnvironment,
		});
		assert.equal(refused.code, 1, refused.stderr);
		assert.match(refused.stderr, /control\.sock: something that is no socket stands there/);
		assert.equal(fs.readFileSync(controlPath(first), 'utf8'), 'precious');
	});
});
