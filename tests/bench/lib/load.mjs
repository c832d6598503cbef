// load.mjs: a run of the load program (load.c), between whose steps the server's figures can be read.
import path from 'node:path';
import { Process, until } from '../../e2e/harness.js';
import { BUILD } from './build.mjs';
import { CLIENT_CPU, pinned } from './machine.mjs';

const READY_MS = 120000;

export class Load {
	constructor(options) {
		const args = [];
		for (const [name, value] of Object.entries(options)) {
			const option = `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
			for (const one of Array.isArray(value) ? value : [value]) {
				if (one === true) args.push(option);
				else if (one !== undefined && one !== false) args.push(option, String(one));
			}
		}
		const [command, words] = pinned(CLIENT_CPU, path.join(BUILD, 'tests/bench/load'), args);
		this.runMs = ((options.seconds ?? 0) + (options.rate ? options.count / options.rate : 0)) * 1000 + 120000;
		this.process = new Process(command, words, { stdio: ['pipe', 'pipe', 'pipe'] });
		this.process.child.stdin.on('error', () => {});
	}

	// Its subscribers are subscribed.
	static async open(options) {
		const load = new Load(options);
		await load.#line(/^ready$/m, READY_MS);
		return load;
	}

	async #line(pattern, deadlineMs) {
		const says = () => `load says ${pattern}; it says: ${this.process.stdout}${this.process.stderr}`;
		const found = await until(() => pattern.exec(this.process.stdout) ?? this.process.end, deadlineMs, says);
		if (!Array.isArray(found)) throw new Error(`it ended before ${says()}`);
		return found;
	}

	// Publishes; resolves to its figures. Once only.
	async run() {
		this.process.child.stdin.write('go\n');
		const [line] = await this.#line(/^\{.*\}$/m, this.runMs);
		return JSON.parse(line);
	}

	async close() {
		this.process.child.stdin.end();
		await this.process.waitForExit();
	}
}

// One whole run. Figures without a message or an answer that is missing; `measure` is called before and after.
export async function runLoad(options, measure = () => 0) {
	const load = await Load.open(options);
	try {
		const before = measure();
		const figures = await load.run();
		figures.used = measure() - before;
		const { refused, lost, delivered, expected } = figures;
		if (refused || lost) throw new Error(`load: ${refused} refused, ${lost} connections lost: ${load.process.stderr}`);
		figures.missing = expected - delivered;
		return figures;
	} finally {
		await load.close();
	}
}
