import { expect, test } from 'vitest';
import { encodePath, signRequest } from '../../../../src/store/s3/sign-request.ts';

const scope = {
  region: 'us-east-1',
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  nowMs: Date.UTC(2013, 4, 24),
};

test('all headers are signed, the checksum too', () => {
  const signed = signRequest(
    {
      method: 'PUT',
      url: new URL('https://bucket.s3.amazonaws.com/a/b.segment?partNumber=2&uploadId=x%2Fy'),
      headers: { 'x-amz-checksum-crc32': 'AAAAAA==', 'content-length': '5' },
    },
    scope,
  );
  expect(signed['authorization']).toContain(
    'SignedHeaders=content-length;host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date,',
  );
  expect(signed['x-amz-date']).toBe('20130524T000000Z');
  expect(signed['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
});

test('another value of any signed part gives another signature', () => {
  const base = { method: 'GET', url: new URL('https://h/a?b=1'), headers: { range: 'bytes=0-9' } };
  const variants = [
    base,
    { ...base, method: 'PUT' },
    { ...base, url: new URL('https://h/b?b=1') },
    { ...base, url: new URL('https://h/a?b=2') },
    { ...base, url: new URL('https://i/a?b=1') },
    { ...base, headers: { range: 'bytes=0-8' } },
  ];
  const signatures = variants.map((request) => signRequest(request, scope)['authorization']);
  expect(new Set(signatures).size).toBe(variants.length);
});

test('a session token is sent and signed', () => {
  const request = { method: 'GET', url: new URL('https://h/a'), headers: {} };
  const credentials = { ...scope.credentials, sessionToken: 'token' };
  const signed = signRequest(request, { ...scope, credentials });
  expect(signed['x-amz-security-token']).toBe('token');
  expect(signed['authorization']).toContain('x-amz-security-token,');
});

test('paths are encoded as RFC 3986 says, once', () => {
  expect(encodePath("a b/ü+%/(x)!*'~._-")).toBe('a%20b/%C3%BC%2B%25/%28x%29%21%2A%27~._-');
});
