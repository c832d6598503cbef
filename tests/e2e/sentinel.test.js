// sentinel.test.js: redis.url = sentinel://…: supervisor and workers follow a failover, also past a Sentinel that is dead, and
// one that hangs.
import assert from 'node:assert/strict';
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

class Server {
	async start(args = [], config) {
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
		const client = await RedisClient.connect({ host: '127.0.0.1', port: this.port });
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
let daemon;

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
		daemon = await Daemon.start({
			settings: { workers: 2, 'redis.url': `sentinel://${hosts}/${NAME}`, 'redis.timeout': 1 },
		});
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
			const seen = await scrape(daemon.rest);
			assert.ok(seen.value('syncdoc_supervisor_redis_reconnects_total') > 0);
			socket.close();
		});

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

	test('a name that no Sentinel knows, and what is no Sentinel, are told', async () => {
		for (const [url, told] of [
			[`sentinel://127.0.0.1:${sentinels[0].port}/nobody`, /sentinel 127\.0\.0\.1:\d+: it does not know this primary/],
			[`sentinel://127.0.0.1:${servers[0].port}/${NAME}`, /sentinel 127\.0\.0\.1:\d+: ERR unknown command/],
		]) {
			const lost = await Daemon.start({ settings: { 'redis.url': url }, wait: false });
			try {
				await until(() => told.test(lost.stderr));
				const answer = await until(async () => (await lost.readiness()).status === 503);
				assert.ok(answer);
			} finally {
				await lost.stop();
			}
		}
	});
});
