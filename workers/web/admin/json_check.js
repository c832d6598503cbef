// json_check.js: where JSON is not JSON. The browser's own message names no place in half of the cases, and takes what the
// server refuses: the same member twice, numbers that do not fit, lone surrogates, too deep.

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const WORDS = ['true', 'false', 'null'];
const DEPTH_MAX = 512; // ours, against running out of stack; the server's limit is its own business
const INT64_MIN = -(2n ** 63n),
	UINT64_MAX = 2n ** 64n - 1n;

class Fault extends Error {
	constructor(offset, message) {
		super(message);
		this.offset = offset;
	}
}

class Scanner {
	constructor(text) {
		this.text = text;
		this.at = 0;
	}

	fail(message, offset = this.at) {
		throw new Fault(Math.min(offset, this.text.length), message);
	}

	match(expression) {
		expression.lastIndex = this.at;
		const found = expression.exec(this.text);
		if (found) this.at += found[0].length;
		return found;
	}

	skipSpace() {
		this.match(SPACE);
	}

	describeNext() {
		return this.at >= this.text.length ? 'the end' : `“${String.fromCodePoint(this.text.codePointAt(this.at))}”`;
	}

	value(depth) {
		this.skipSpace();
		const next = this.text[this.at];
		if (next === '{') return this.object(depth);
		if (next === '[') return this.array(depth);
		if (next === '"') return this.string();
		if (next === '-' || (next >= '0' && next <= '9')) return this.number();
		const word = WORDS.find(each => this.text.startsWith(each, this.at));
		if (!word) this.fail(next === "'" ? 'texts stand in double quotes' : `a value is expected, not ${this.describeNext()}`);
		this.at += word.length;
		return undefined;
	}

	number() {
		const from = this.at,
			found = this.match(NUMBER);
		if (!found) this.fail('this is no number');
		if (/[\w.]/.test(this.text[this.at] ?? '')) this.fail('this is no number', from);
		const [digits, fraction, exponent] = found;
		if (fraction || exponent) {
			if (!Number.isFinite(Number(digits))) this.fail('this number is too large', from);
		} else if (digits.length > 15) {
			const integer = BigInt(digits);
			if (integer < INT64_MIN || integer > UINT64_MAX) this.fail('integers have 64 bits at most', from);
		}
	}

	string() {
		const from = this.at++;
		for (;;) {
			this.match(PLAIN);
			const next = this.text[this.at];
			if (next === '"') break;
			if (next === '\\') this.escape();
			else if (next === undefined) this.fail('this text has no end', from);
			else
				this.fail(
					next === '\n' ? 'a text ends on its line; write \\n for a line break' : 'control characters are written \\u00..',
				);
		}
		this.at++;
		const value = JSON.parse(this.text.slice(from, this.at));
		if (/[\ud800-\udfff]/u.test(value)) this.fail('half of a surrogate pair', from);
		return value;
	}

	escape() {
		const next = this.text[this.at + 1];
		if (next === 'u' && /^[0-9a-fA-F]{4}$/.test(this.text.slice(this.at + 2, this.at + 6))) this.at += 6;
		else if (next !== undefined && '"\\/bfnrt'.includes(next)) this.at += 2;
		else this.fail('there is no such escape');
	}

	enter(depth) {
		if (depth >= DEPTH_MAX) this.fail('too deep');
		this.at++;
		this.skipSpace();
	}

	// After a value: true: another one follows.
	more(close) {
		this.skipSpace();
		if (this.text[this.at] === ',') {
			const comma = this.at++;
			this.skipSpace();
			if (this.text[this.at] === close) this.fail('there is nothing behind this comma', comma);
			return true;
		}
		if (this.text[this.at] !== close) this.fail(`“,” or “${close}” is expected, not ${this.describeNext()}`);
		this.at++;
		return false;
	}

	array(depth) {
		this.enter(depth);
		if (this.text[this.at] === ']') {
			this.at++;
			return;
		}
		do this.value(depth + 1);
		while (this.more(']'));
	}

	object(depth) {
		const names = new Set();
		this.enter(depth);
		if (this.text[this.at] === '}') {
			this.at++;
			return;
		}
		do {
			this.skipSpace();
			const from = this.at;
			if (this.text[this.at] !== '"') this.fail(`a name in double quotes is expected, not ${this.describeNext()}`);
			const name = this.string();
			if (names.has(name)) this.fail(`“${name}” is here twice`, from);
			if (name.includes('\0')) this.fail('names hold no NUL', from);
			names.add(name);
			this.skipSpace();
			if (this.text[this.at] !== ':') this.fail(`“:” is expected, not ${this.describeNext()}`);
			this.at++;
			this.value(depth + 1);
		} while (this.more('}'));
	}
}

export function placeOf(text, offset) {
	const before = text.slice(0, offset);
	const line = before.split('\n').length;
	return { line, column: offset - before.lastIndexOf('\n') };
}

// null: it is JSON, and an object. Else {offset, line, column, message}.
export function checkJsonObject(text) {
	const scanner = new Scanner(text);
	try {
		scanner.skipSpace();
		const isObject = text[scanner.at] === '{',
			from = scanner.at;
		scanner.value(0);
		scanner.skipSpace();
		if (scanner.at < text.length) scanner.fail(`nothing may follow, but ${scanner.describeNext()} does`);
		if (!isObject) scanner.fail('the data of a document is an object: {…}', from);
		return null;
	} catch (fault) {
		if (!(fault instanceof Fault)) throw fault;
		return { offset: fault.offset, message: fault.message, ...placeOf(text, fault.offset) };
	}
}
