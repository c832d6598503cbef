// daemon.js: syncdocd and redis-server as tests start and stop them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, childrenOf, makeDirectory } from './process.js';
import { RedisClient } from './redis.js';
import { Rest } from './rest.js';
import { SECURE, tlsSettings, urlOf } from './transport.js';
import { WebSocketClient } from './websocket.js';
import { freePort } from './ports.js';
import { until, within } from './wait.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const build = path.resolve(path.join(here, '..'), process.env.SYNCDOC_BUILD ?? '../../build');
export const SYNCDOCD = path.join(build, 'daemon/syncdocd');

// All servers with it; fanout_io_uring.test.js says whether it is to be had.
const IO_URING = process.env.SYNCDOC_TEST_IO_URING === '1';
const START_MS = 90000;
const STOP_MS = 90000;
const PORTS_MAX = 5;
const REPORTS = /.*(?:ERROR|WARNING): \w*Sanitizer|.*runtime error:|.*: must hold: |.*Assertion .* failed/g;

export const sanitizerEnvironment = {
	...process.env,
	ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=0',
	UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=0',
};

export function assertNoSanitizerReport(text) {
	const found = text.match(REPORTS);
	if (!found) return;
	const at = text.indexOf(found[0]);
	assert.fail(`a sanitizer or assertion report in syncdocd's stderr:\n${text.slice(at, at + 6000)}`);
}

export class Redis {
	constructor(options = {}) {
		this.directory = options.directory ?? makeDirectory('redis');
		this.socket = path.join(this.directory, 'redis.sock');
		this.password = options.password;
		this.port = options.port ?? 0;
		this.persistent = options.persistent ?? false;
	}

	static async start(options) {
		const redis = new Redis(options);
		await redis.start();
		return redis;
	}

	async start() {
		const extra = (process.env.SYNCDOC_TEST_REDIS_ARGS ?? '').split(' ').filter(Boolean);
		const args = [
			'--port',
			String(this.port),
			'--bind',
			'127.0.0.1',
			'--unixsocket',
			this.socket,
			'--dir',
			this.directory,
			'--save',
			'',
			'--appendonly',
			this.persistent ? 'yes' : 'no',
			'--daemonize',
			'no',
			'--appendfsync',
			'always',
			...(this.password ? ['--requirepass', this.password] : []),
			...extra,
		];
		this.process = new Process('redis-server', args);
		this.client = await until(
			() => {
				assert.ok(!this.process.end, `redis-server does not start: ${this.process.stdout}`);
				return this.connect();
			},
			START_MS,
			'redis-server answers',
		);
		return this;
	}

	get url() {
		return this.port
			? `redis://${this.password ? `:${this.password}@` : ''}127.0.0.1:${this.port}`
			: `unix://${this.socket}`;
	}

	async connect() {
		const client = await RedisClient.connect({ path: this.socket }, this.password);
		await client.command('PING');
		return client;
	}

	command(...words) {
		return this.client.command(...words);
	}

	async stop() {
		this.client?.close();
		this.process.kill('SIGCONT');
		await this.process.kill9();
	}
}

export class Daemon {
	constructor(options) {
		this.options = options;
		this.directory = options.directory ?? makeDirectory('syncdocd');
		this.stateDir = path.join(this.directory, 'state');
		this.clients = new Set();
		fs.mkdirSync(this.stateDir, { recursive: true });
	}

	// options: redis (a Redis, or absent: embedded), settings {key: value}, config (text of a file), socket (true: a unix
	// listener too), wait (false: do not wait for /readyz).
	static async start(options = {}) {
		const daemon = new Daemon(options);
		try {
			return await daemon.start();
		} catch (error) {
			daemon.process?.kill('SIGKILL');
			throw error;
		}
	}

	arguments() {
		const { redis, settings = {}, config } = this.options;
		const values = {
			workers: 1,
			state_dir: this.stateDir,
			'redis.url': redis ? redis.url : 'embedded',
			'documents.max_size': '64KiB',
			'ring.size': '4MiB',
			drain_timeout: 10,
			// A machine that stands still for seconds is no Redis that is away, and no worker that hangs. Tests of those have their own.
			'redis.timeout': 10,
			worker_timeout: 60,
			listen: [`127.0.0.1:${this.port}`, ...(this.socket ? [`unix:${this.socket}`] : [])].join(','),
			...(SECURE && tlsSettings()),
			...(IO_URING && { 'fanout.io_uring': 'yes' }),
			...settings,
		};
		const args = ['-f'];
		this.configFile = path.join(this.directory, 'syncdocd.conf');
		fs.writeFileSync(this.configFile, config ?? '');
		args.push('-c', this.configFile);
		for (const [key, value] of Object.entries(values)) if (value !== undefined) args.push('-o', `${key}=${value}`);
		return args;
	}

	async start() {
		const isChosen = !this.port && !this.options.port;
		if (this.options.socket) this.socket = path.join(this.directory, 'http.sock');
		for (let left = PORTS_MAX; ; left--) {
			this.port ??= this.options.port ?? (await freePort());
			this.process = new Process(SYNCDOCD, this.arguments(), { env: sanitizerEnvironment });
			this.rest = this.client();
			if (this.options.wait === false) return this;
			try {
				await this.waitUntilReady();
				return this;
			} catch (error) {
				// Somebody who is no test of ours was faster.
				if (!isChosen || !left || !/Address already in use/.test(this.stderr)) throw error;
				this.port = undefined;
			}
		}
	}

	get url() {
		return urlOf(this.port);
	}

	get pid() {
		return this.process.pid;
	}

	get stderr() {
		return this.process.stderr;
	}

	client(options = {}) {
		const client = new Rest(this.url, options);
		this.clients.add(client);
		return client;
	}

	async connect(options = {}) {
		const socket = await WebSocketClient.connect(`${urlOf(this.port, 'ws')}/v1/realtime`, options);
		this.clients.add(socket);
		return socket;
	}

	// A fresh connection each time: with several workers each look may meet another one.
	async readiness() {
		const client = new Rest(this.url, { keepAlive: false });
		try {
			return await client.get('/readyz');
		} catch (error) {
			return { status: 0, error };
		} finally {
			client.close();
		}
	}

	async waitUntilReady(deadlineMs = START_MS) {
		const wanted = (this.options.settings?.workers ?? 1) * 4;
		let ready = 0;
		await until(
			async () => {
				if (this.process.end) return true;
				const answer = await this.readiness();
				this.lastReadiness = answer;
				ready = answer.status === 200 ? ready + 1 : 0;
				return ready >= wanted;
			},
			deadlineMs,
			() =>
				`/readyz says 200; it says ${this.lastReadiness?.text ?? this.lastReadiness?.error}; the last lines: ${this.stderr.slice(-2000)}`,
		);
		assert.ok(
			!this.process.end,
			`syncdocd ended: ${JSON.stringify(this.process.end)}\n${this.stderr.slice(-4000)}`,
		);
	}

	workers() {
		return childrenOf(this.pid).filter(child => child.command.includes('worker'));
	}

	async stop({ code = 0, signal = 'SIGTERM' } = {}) {
		for (const client of this.clients) client.close();
		this.clients.clear();
		this.process.kill(signal);
		let end;
		try {
			end = await this.process.waitForExit(STOP_MS);
			await within(this.process.closed, STOP_MS, () => `end of the output of syncdocd; its last lines: ${this.stderr.slice(-2000)}`);
		} finally {
			this.process.kill('SIGKILL');
		}
		assertNoSanitizerReport(this.stderr);
		if (code !== null)
			assert.deepEqual(
				{ code: end.code, signal: end.signal },
				{ code, signal: null },
				`how syncdocd ended; its last lines: ${this.stderr.slice(-3000)}`,
			);
	}
}

// What most test files want: a Redis, a daemon on it, both stopped at the end, whatever failed in between.
export async function startPair(options = {}) {
	const redis = await Redis.start(options.redisOptions);
	try {
		const daemon = await Daemon.start({ redis, ...options });
		return {
			redis,
			daemon,
			rest: daemon.rest,
			async stop() {
				try {
					await daemon.stop();
				} finally {
					await redis.stop();
				}
			},
		};
	} catch (error) {
		await redis.stop();
		throw error;
	}
}

// For one test: run({ redis, daemon, rest }).
export async function withPair(options, run) {
	const pair = await startPair(options);
	try {
		return await run(pair);
	} finally {
		await pair.stop();
	}
}

// A further daemon for one test, on options.redis.
export async function withDaemon(options, run) {
	const daemon = await Daemon.start(options);
	try {
		return await run(daemon);
	} finally {
		await daemon.stop();
	}
}
