// control.js: lines over the control socket.
import net from 'node:net';
import path from 'node:path';
import { DEADLINE_MS, within } from './wait.js';

export const controlPath = daemon => path.join(daemon.stateDir, 'control.sock');

export class ControlClient {
	constructor(socket) {
		this.socket = socket;
		this.text = '';
		this.lines = [];
		this.waiting = [];
		this.closed = false;
		socket.setEncoding('utf8');
		socket.on('data', text => this.#take(text));
		socket.on('error', () => {});
		socket.on('close', () => {
			this.closed = true;
			for (const { reject } of this.waiting.splice(0)) reject(new Error('the control socket was closed'));
		});
	}

	static async connect(place) {
		const socket = net.connect(place);
		await new Promise((resolve, reject) => {
			socket.once('connect', resolve);
			socket.once('error', reject);
		});
		return new ControlClient(socket);
	}

	#take(text) {
		this.text += text;
		for (let end; (end = this.text.indexOf('\n')) >= 0;) {
			const line = this.text.slice(0, end);
			this.text = this.text.slice(end + 1);
			if (this.waiting.length) this.waiting.shift().resolve(line);
			else this.lines.push(line);
		}
	}

	line() {
		if (this.lines.length) return Promise.resolve(this.lines.shift());
		if (this.closed) return Promise.reject(new Error('the control socket was closed'));
		const answer = new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
		return within(answer, DEADLINE_MS, 'a line on the control socket');
	}

	async send(text) {
		this.socket.write(text);
		return JSON.parse(await this.line());
	}

	ask(request) {
		return this.send(`${JSON.stringify(request)}\n`);
	}

	close() {
		this.socket.destroy();
	}
}

// One request on a connection of its own.
export async function askControl(daemon, request) {
	const client = await ControlClient.connect(controlPath(daemon));
	try {
		return await client.ask(request);
	} finally {
		client.close();
	}
}
