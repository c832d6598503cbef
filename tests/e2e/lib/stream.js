// stream.js: a Server-Sent Events client, as strict as a test wants it.
import assert from 'node:assert/strict';
import { documentPath } from './rest.js';
import { moduleFor } from './transport.js';
import { DEADLINE_MS, until, within } from './wait.js';

export const eventsPath = (service, id, query = '') => `${documentPath(service, id)}/events${query}`;
export const topicsPath = (...names) => `/v1/events?${names.map(name => `topic=${encodeURIComponent(name)}`).join('&')}`;

export const nameOf = ({ payload }) => `${payload.documentId}:${payload.revision}`;

export class EventStream {
	constructor() {
		this.events = []; // {id, data (text), json}
		this.comments = [];
		this.retries = [];
		this.rest = '';
		this.end = null; // 'end', or an error's code
	}

	// Resolves when the head of the answer has come; a refusal has `status` and `text`.
	static open(port, path, { headers = {}, method = 'GET' } = {}) {
		const stream = new EventStream();
		const head = new Promise((resolve, reject) => {
			stream.request = moduleFor({ port }).request({
				host: '127.0.0.1',
				port,
				path,
				method,
				agent: false,
				headers: { Accept: 'text/event-stream', ...headers },
			});
			stream.request.on('error', reject);
			stream.request.on('response', response => {
				stream.response = response;
				stream.status = response.statusCode;
				stream.headers = response.headers;
				stream.text = '';
				response.setEncoding('utf8');
				response.on('data', part => stream.take(part));
				response.on('end', () => (stream.end ??= 'end'));
				response.on('error', error => (stream.end ??= error.code ?? 'error'));
				resolve(stream);
			});
			stream.request.end();
		});
		return within(head, DEADLINE_MS, `the head of ${path}`);
	}

	take(part) {
		this.text += part;
		this.rest += part;
		let at;
		while ((at = this.rest.indexOf('\n\n')) >= 0) {
			this.takeBlock(this.rest.slice(0, at));
			this.rest = this.rest.slice(at + 2);
		}
	}

	takeBlock(block) {
		const data = [];
		let id;
		for (const line of block.split('\n')) {
			if (line.startsWith('data: ')) data.push(line.slice(6));
			else if (line.startsWith('id: ')) this.lastId = id = line.slice(4);
			else if (line.startsWith(': ')) this.comments.push(line.slice(2));
			else if (line.startsWith('retry: ')) this.retries.push(Number(line.slice(7)));
			else throw new Error(`a line that is none of a stream's: ${JSON.stringify(line)}`);
		}
		if (data.length) {
			const text = data.join('\n');
			this.events.push({ id, data: text, json: JSON.parse(text) });
		}
	}

	get messages() {
		return this.events.map(event => event.json);
	}

	get revisions() {
		return this.messages.filter(message => message.type === 'event').map(message => message.payload.revision);
	}

	// Of events: documentId:revision
	get names() {
		return this.messages.filter(message => message.type === 'event').map(nameOf);
	}

	get resyncs() {
		return this.messages.filter(message => message.type === 'resync');
	}

	waitFor(count, deadlineMs) {
		return until(
			() => this.events.length >= count,
			deadlineMs,
			() => `${count} events; there are ${this.events.length}; the end: ${this.end}`,
		);
	}

	close() {
		this.request.destroy();
	}
}

// All that a test opens, to be closed together however it ends.
export class EventStreams {
	opened = [];

	// options: those of EventStream.open()
	async open(port, path, options) {
		const stream = await EventStream.open(port, path, options);
		this.opened.push(stream);
		return stream;
	}

	// As browsers come back, with the id of the last event they got; undefined: for the first time.
	async resume(port, path, lastId) {
		const stream = await this.open(port, path, { headers: lastId === undefined ? {} : { 'Last-Event-ID': lastId } });
		assert.equal(stream.status, 200, stream.text);
		return stream;
	}

	closeAll() {
		for (const stream of this.opened.splice(0)) stream.close();
	}
}
