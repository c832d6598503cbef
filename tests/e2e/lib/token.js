// token.js: JSON Web Tokens by node:crypto, and the files syncdocd reads their keys from.
import crypto from 'node:crypto';
import fs from 'node:fs';

const encode = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const secret = () => crypto.randomBytes(32).toString('hex');
export const rsaKeys = (bits = 2048) => pem(crypto.generateKeyPairSync('rsa', { modulusLength: bits }));
export const ecKeys = (namedCurve = 'P-256') => pem(crypto.generateKeyPairSync('ec', { namedCurve }));

function pem({ publicKey, privateKey }) {
	return {
		publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
		privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
	};
}

const signers = {
	HS256: (text, key) => crypto.createHmac('sha256', key).update(text).digest('base64url'),
	HS512: (text, key) => crypto.createHmac('sha512', key).update(text).digest('base64url'),
	RS256: (text, key) => crypto.createSign('sha256').update(text).sign(key, 'base64url'),
	RS512: (text, key) => crypto.createSign('sha512').update(text).sign(key, 'base64url'),
	ES256: (text, key) =>
		crypto.createSign('sha256').update(text).sign({ key, dsaEncoding: 'ieee-p1363' }, 'base64url'),
	none: () => '',
};

export const now = () => Math.floor(Date.now() / 1000);

// Claims may be a string, to send what is no JSON. `header` adds to or replaces what stands there by itself.
export function sign(claims, key, { alg = 'HS256', header = {} } = {}) {
	const text = `${encode({ alg, typ: 'JWT', ...header })}.${encode(claims)}`;
	return `${text}.${signers[alg](text, key)}`;
}

// A good one, for five minutes.
export function token(rights, key, { claims = {}, ...options } = {}) {
	return sign({ sub: 'ann', exp: now() + 300, syncdoc: rights, ...claims }, key, options);
}

// What a server is told that takes those of `key`, a file.
export const jwtSettings = (key, more = {}) => ({ 'auth.mode': 'jwt', 'auth.algorithm': 'HS256', 'auth.key': key, ...more });

// A maker of tokens that differ in who has them, how long, and what they allow.
export const tokensOf = key => ({ sub = 'ann', seconds = 600, rights = { '*': 'rwpa' } } = {}) =>
	token(rights, key, { claims: { sub, exp: now() + seconds } });

export const bearer = text => ({ Authorization: `Bearer ${text}` });

export function writeFile(path, text, mode = 0o600) {
	fs.writeFileSync(path, text, { mode });
	fs.chmodSync(path, mode); // whatever the umask
	return path;
}
