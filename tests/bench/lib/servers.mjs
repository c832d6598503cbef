// servers.mjs: the servers that are held against each other, each on SERVER_CPU with all that belongs to it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { BUILD } from './build.mjs';
import { Daemon, Process, Redis, childrenOf, freePort, makeDirectory, turn, until } from '../../e2e/harness.js';
import { SERVER_CPU, cpuSeconds, pin, pinned, privateBytes } from './machine.mjs';

const NCHAN_MODULES = ['/usr/lib/nginx/modules/ngx_nchan_module.so', '/usr/lib64/nginx/modules/ngx_nchan_module.so'];

function find(command) {
	try {
		return execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${command}`], { encoding: 'utf8' }).trim();
	} catch {
		return null;
	}
}

async function awaitPort(port, process) {
	await until(
		() => {
			if (process.end) throw new Error(`${process.name} ended`);
			return new Promise((resolve, reject) => {
				const socket = net.connect({ port, host: '127.0.0.1' });
				socket.on('connect', () => resolve(socket.destroy()));
				socket.on('error', reject);
			});
		},
		15000,
		() => `${process.name} listens; it says: ${process.stdout}${process.stderr}`,
	);
}

/* ---- the bare send loop ---- */

export class Floor {
	static async start(mode) {
		const floor = new Floor();
		const [command, args] = pinned(SERVER_CPU, path.join(BUILD, 'tests/bench/floor'), [mode]);
		floor.process = new Process(command, args);
		floor.port = Number(await until(() => floor.process.stdout.trim(), 15000, 'the floor says its port'));
		return floor;
	}

	get pids() {
		return [this.process.pid];
	}

	fanout() {
		return { port: this.port, body: BODY };
	}

	async stop() {
		await this.process.kill9();
	}
}

// The message of all fan-out runs: 128 bytes beside the time stamp.
const BODY = '{"at_ns":"%T","pad":"%P"}';

/* ---- nchan ---- */

export class Nchan {
	// null: not installed.
	static async start() {
		const nginx = find('nginx'),
			module = NCHAN_MODULES.find(name => fs.existsSync(name));
		if (!nginx || !module) return null;
		const nchan = new Nchan();
		nchan.port = await freePort();
		const directory = makeDirectory('nchan');
		const config = path.join(directory, 'nginx.conf');
		fs.writeFileSync(
			config,
			`load_module ${module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 16000; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path ${directory}/body;
	proxy_temp_path ${directory}/proxy;
	fastcgi_temp_path ${directory}/fastcgi;
	uwsgi_temp_path ${directory}/uwsgi;
	scgi_temp_path ${directory}/scgi;
	server {
		listen 127.0.0.1:${nchan.port} backlog=4096;
		location = /publish { nchan_publisher http; nchan_channel_id bench; nchan_message_buffer_length 100; }
		location = /subscribe { nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest; }
	}
}
`,
		);
		const [command, args] = pinned(SERVER_CPU, nginx, ['-e', path.join(directory, 'error.log'), '-c', config]);
		nchan.process = new Process(command, args);
		await awaitPort(nchan.port, nchan.process);
		return nchan;
	}

	get pids() {
		return [this.process.pid, ...childrenOf(this.process.pid).map(child => child.pid)];
	}

	fanout() {
		return { port: this.port, wsPath: '/subscribe', path: '/publish', body: BODY };
	}

	async stop() {
		this.process.kill('SIGTERM');
		await this.process.waitForExit();
	}
}

/* ---- webdis ---- */

export class Webdis {
	static async start(redis) {
		const webdis = find('webdis');
		if (!webdis) return null;
		const server = new Webdis();
		server.port = await freePort();
		const directory = makeDirectory('webdis');
		const config = path.join(directory, 'webdis.json');
		fs.writeFileSync(
			config,
			JSON.stringify({
				redis_host: redis.socket,
				redis_port: 0,
				redis_auth: null,
				http_host: '127.0.0.1',
				http_port: server.port,
				threads: 1,
				pool_size: 10,
				daemonize: false,
				websockets: false,
				database: 0,
				acl: [{ disabled: ['DEBUG'] }],
				verbosity: 0,
				logfile: path.join(directory, 'webdis.log'),
			}),
		);
		const [command, args] = pinned(SERVER_CPU, webdis, [config]);
		server.process = new Process(command, args);
		await awaitPort(server.port, server.process);
		return server;
	}

	async stop() {
		await this.process.kill9();
	}
}

/* ---- syncdocd ---- */

export const SERVICE = 'bench';
export const documentPath = '/v1/services/bench/documents/d%i';
const SUBSCRIBE = `{"type":"subscribe","topic":"sync.${SERVICE}.updated"}`;

export class Syncdoc {
	// With a Redis of its own, both on SERVER_CPU.
	static async start(settings = {}) {
		const server = new Syncdoc();
		server.redis = await Redis.start();
		try {
			server.daemon = await Daemon.start({
				redis: server.redis,
				settings: {
					workers: 1,
					'ring.size': '64MiB',
					'documents.max_size': '1MiB',
					'limits.per_address': 0,
					'limits.connections': 0,
					'ws.rate': 100000,
					'ws.burst': 100000,
					'ws.ping_interval': 600,
					...settings,
				},
			});
		} catch (error) {
			await server.redis.stop();
			throw error;
		}
		pin([server.redis.process.pid, ...server.ours], SERVER_CPU);
		return server;
	}

	get port() {
		return this.daemon.port;
	}

	// Supervisor and workers; Redis is counted where it is said.
	get ours() {
		return [this.daemon.pid, ...this.daemon.workers().map(worker => worker.pid)];
	}

	get pids() {
		return [...this.ours, this.redis.process.pid];
	}

	// Documents d0 … of `count`, so that all that follows are updates.
	async prepare(count, data = {}) {
		for (let i = 0; i < count; i++) {
			const answer = await this.daemon.rest.put(documentPath.replace('%i', i), { data });
			if (answer.status !== 200 && answer.status !== 201) throw new Error(answer.text);
		}
	}

	fanout() {
		return { port: this.port, wsPath: '/v1/realtime', subscribe: SUBSCRIBE, ready: '"subscribed"', method: 'PUT', path: documentPath, body: `{"data":${BODY}}` };
	}

	// PUT, or PATCH as merge, of so many bytes of data.
	writes(method, bytes, path = documentPath) {
		const fixed = '{"at_ns":"0000000000000000000","pad":""}'.length;
		return { port: this.port, method, path, body: `{"data":${BODY}}`, size: Math.max(0, bytes - fixed) };
	}

	cpu(pids = this.ours) {
		return () => cpuSeconds(pids);
	}

	memory() {
		return privateBytes(this.ours);
	}

	async stop() {
		try {
			await this.daemon.stop({ code: null });
		} finally {
			await this.redis.stop();
		}
	}
}

export { turn };
