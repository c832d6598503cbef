// sentinel.test.js: redis.url = sentinel://…: supervisor and workers follow a failover, also past a Sentinel that is dead, and
// one that hangs. The Sentinels want a login of their own.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	Daemon,
	Process,
	RedisClient,
	assertStatus,
	documentPath,
	freePort,
	makeDirectory,
	scrape,
	until,
} from './harness.js';

const NAME = 'syncdoc-test';
// A Sentinel that stood still for two seconds trusts nothing for half a minute (TILT).
const FAILOVER_MS = 180000;
const SENTINEL_PASSWORD = 'among Sentinels',
	USER = 'sync@doc',
	USER_PASSWORD = 'p@ss word';

class Server {
	async start(args = [], config) {
		this.password = config && SENTINEL_PASSWORD;
		this.directory ??= makeDirectory('sentinel');
		this.port ??= await freePort();
		const common = [
			'--port',
			String(this.port),
			'--bind',
			'127.0.0.1',
			'--dir',
			this.directory,
			'--save',
			'',
			'--daemonize',
			'no',
		];
		const file = path.join(this.directory, 'redis.conf');
		if (config) fs.writeFileSync(file, `port ${this.port}\nbind 127.0.0.1\ndir ${this.directory}\n${config}`);
		this.process = new Process('redis-server', config ? [file, '--sentinel'] : [...common, ...args]);
		await until(() => this.command('PING'));
		return this;
	}

	// A connection each time: Sentinels cut those to a server whose role they change.
	async command(...words) {
		const client = await RedisClient.connect({ host: '127.0.0.1', port: this.port }, this.password);
		try {
			return await client.command(...words);
		} finally {
			client.close();
		}
	}

	async kill() {
		this.process.kill('SIGCONT');
		await this.process.kill9();
	}
}

const servers = [];
const sentinels = [];
let daemon, settings;

// A write may meet the time without a primary: then it is refused, surely undone or of unknown outcome.
async function writeUntilTaken(rest, id, data) {
	await until(async () => [200, 201].includes((await rest.put(documentPath('f', id), { data })).status), FAILOVER_MS);
}

const roleOf = async server => (await server.command('ROLE').catch(() => ['gone']))[0];

async function untilPrimary(server) {
	await until(async () => String(await roleOf(server)) === 'master', FAILOVER_MS, `${server.port} is the primary`);
}

describe('Sentinel', () => {
	before(async () => {
		servers.push(await new Server().start());
		servers.push(
			await new Server().start([
				'--replicaof',
				'127.0.0.1',
				String(servers[0].port),
				'--repl-diskless-sync-delay',
				'0',
			]),
		);
		const watch = [
			`sentinel monitor ${NAME} 127.0.0.1 ${servers[0].port} 2`,
			`sentinel down-after-milliseconds ${NAME} 1000`,
			`sentinel failover-timeout ${NAME} 5000`,
			`requirepass "${SENTINEL_PASSWORD}"`,
			`sentinel sentinel-pass "${SENTINEL_PASSWORD}"`,
			`user ${USER} on #${crypto.createHash('sha256').update(USER_PASSWORD).digest('hex')} allchannels +@all`,
		].join('\n');
		for (let i = 0; i < 3; i++) sentinels.push(await new Server().start([], watch));
		for (const sentinel of sentinels)
			await until(
				async () => {
					const [replicas, others] = [
						await sentinel.command('SENTINEL', 'REPLICAS', NAME),
						await sentinel.command('SENTINEL', 'SENTINELS', NAME),
					];
					return replicas.length === 1 && others.length === 2;
				},
				FAILOVER_MS,
				'Sentinels know the replica and each other',
			);
		await until(async () => /state=online/.test(String(await servers[0].command('INFO', 'replication'))));
		const dead = await freePort();
		const hosts = [dead, ...sentinels.map(({ port }) => port)].map(port => `127.0.0.1:${port}`).join(',');
		const passwordFile = path.join(makeDirectory('sentinel'), 'password');
		fs.writeFileSync(passwordFile, `${USER_PASSWORD}\n`, { mode: 0o600 });
		settings = {
			'redis.url': `sentinel://${hosts}/${NAME}`,
			'redis.sentinel_user': USER,
			'redis.sentinel_password_file': passwordFile,
		};
		daemon = await Daemon.start({ settings: { ...settings, workers: 2, 'redis.timeout': 1 } });
	});
	after(async () => {
		await daemon?.stop();
		for (const server of [...sentinels, ...servers]) await server.kill().catch(() => {});
	});

	const failover = (what, disturb, successor) =>
		test(what, async () => {
			const socket = await daemon.connect();
			await socket.subscribe({ topic: 'sync.f.*' });
			const id = `doc_${successor}`;
			assertStatus(await daemon.rest.put(documentPath('f', id), { data: { step: 0 } }), 201);
			await socket.next(message => message.payload?.documentId === id && message.payload.data.step === 0);
			await disturb();
			await untilPrimary(servers[successor]);
			// Until it is told, the former one takes writes that it will forget.
			await until(async () => String(await roleOf(servers[1 - successor])) !== 'master', FAILOVER_MS);
			// Of both workers.
			for (let i = 0; i < 6; i++) {
				const rest = daemon.client({ keepAlive: false });
				await writeUntilTaken(rest, `${id}_${i}`, { i });
				rest.close();
			}
			await daemon.waitUntilReady(FAILOVER_MS);
			await writeUntilTaken(daemon.rest, id, { step: 1 });
			await socket.next(message => message.payload?.documentId === id && message.payload.data?.step === 1, FAILOVER_MS);
			assert.equal(String(await servers[successor].command('EXISTS', `syncdoc:data:f:${id}`)), '1');
			const place = new RegExp(
				`relay: redis sentinel://\\S+: connected again, the primary is 127\\.0\\.0\\.1:${servers[successor].port}`,
			);
			await until(
				() => place.test(daemon.stderr),
				undefined,
				() => `${place} in ${daemon.stderr}`,
			);
			await until(async () => {
				const seen = await scrape(daemon.rest);
				return (
					seen.value('syncdoc_supervisor_redis_reconnects_total', { connection: 'relay' }) > 0 &&
					seen.value('syncdoc_primary_switches_total') > 0
				);
			});
			socket.close();
		});

	test('it listens to all Sentinels that are there', () =>
		until(async () => (await scrape(daemon.rest)).value('syncdoc_sentinels_listened_to') === sentinels.length));

	failover('the primary is killed', () => servers[0].kill(), 1);

	failover(
		'a planned failover back, with one Sentinel hanging',
		async () => {
			const old = servers[0].port;
			await servers[0].start(['--replicaof', '127.0.0.1', String(servers[1].port), '--repl-diskless-sync-delay', '0']);
			assert.equal(servers[0].port, old);
			await until(
				async () => /state=online/.test(String(await servers[1].command('INFO', 'replication'))),
				FAILOVER_MS,
			);
			sentinels[2].process.kill('SIGSTOP');
			await until(
				async () => String(await sentinels[0].command('SENTINEL', 'FAILOVER', NAME).catch(error => error)) === 'OK',
				FAILOVER_MS,
			);
		},
		0,
	);

	// With so long a timeout nothing else would tell so soon that the former primary hangs.
	test('a failover is followed as soon as the Sentinels tell of it', async () => {
		sentinels[2].process.kill('SIGCONT');
		const [former, next] = String(await roleOf(servers[0])) === 'master' ? servers : [...servers].reverse();
		await until(async () => /state=online/.test(String(await former.command('INFO', 'replication'))), FAILOVER_MS);
		const patient = await Daemon.start({ settings: { ...settings, 'redis.timeout': 60 } });
		const socket = await patient.connect();
		await socket.subscribe({ topic: 'sync.f.*' });
		await until(async () => (await scrape(patient.rest)).value('syncdoc_sentinels_listened_to') === sentinels.length);
		former.process.kill('SIGSTOP');
		try {
			await untilPrimary(next);
			await until(() => /relay: redis sentinel:\S+ lost: a Sentinel says that another server/.test(patient.stderr));
			await writeUntilTaken(patient.rest, 'doc_patient', { n: 1 });
			await socket.next(({ payload }) => payload?.documentId === 'doc_patient');
			assert.equal(String(await next.command('EXISTS', 'syncdoc:data:f:doc_patient')), '1');
		} finally {
			former.process.kill('SIGCONT');
			await patient.stop();
		}
	});

	test('a name that no Sentinel knows, what is no Sentinel, and a wrong login are told', async () => {
		const wrongFile = path.join(makeDirectory('sentinel'), 'wrong');
		fs.writeFileSync(wrongFile, 'wrong', { mode: 0o600 });
		const first = `sentinel://127.0.0.1:${sentinels[0].port}`;
		const nobody = { 'redis.sentinel_user': '', 'redis.sentinel_password_file': '' };
		for (const [own, told] of [
			[{ 'redis.url': `${first}/nobody` }, /sentinel 127\.0\.0\.1:\d+: it does not know this primary/],
			[
				{ ...nobody, 'redis.url': `sentinel://127.0.0.1:${servers[0].port}/${NAME}` },
				/sentinel 127\.0\.0\.1:\d+: ERR unknown command/,
			],
			[{ ...nobody, 'redis.url': `${first}/${NAME}` }, /sentinel 127\.0\.0\.1:\d+: NOAUTH/],
			[
				{ 'redis.url': `${first}/${NAME}`, 'redis.sentinel_password_file': wrongFile },
				/sentinel 127\.0\.0\.1:\d+: AUTH refused: WRONGPASS/,
			],
			[
				{ 'redis.url': `${first}/${NAME}`, 'redis.sentinel_password_file': '/nowhere' },
				/redis\.sentinel_password_file: \/nowhere: No such file/,
			],
		]) {
			const lost = await Daemon.start({ settings: { ...settings, ...own }, wait: false });
			try {
				await until(() => told.test(lost.stderr));
				const answer = await until(async () => (await lost.readiness()).status === 503);
				assert.ok(answer);
				if (own['redis.sentinel_password_file'])
					await until(() => /: not listened to: .*, retrying in \d+ ms; 0 of 1 are$/m.test(lost.stderr));
			} finally {
				await lost.stop();
			}
		}
	});
});
