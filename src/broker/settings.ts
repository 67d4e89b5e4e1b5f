import { z } from 'zod';
import { duration } from '../base/units.ts';

const tlsSettings = z.strictObject({
  caFile: z
    .string()
    .optional()
    .describe('PEM file of the certificate authorities to trust; default: the system’s.'),
  certFile: z.string().optional().describe('PEM file of our own certificate, for mutual TLS.'),
  keyFile: z.string().optional().describe('PEM file of the key of `certFile`.'),
  serverName: z
    .string()
    .optional()
    .describe('Name to expect in the broker’s certificate; default: its host.'),
});

const saslSettings = z.strictObject({
  mechanism: z
    .enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'])
    .describe('SASL mechanism of the listener.'),
  username: z.string().optional().describe('User of PLAIN and SCRAM.'),
  passwordFile: z.string().optional().describe('File that holds the password, without a line end.'),
  tokenFile: z
    .string()
    .optional()
    .describe('File that holds the OAUTHBEARER token; read again at each login.'),
});

const clientSettings = z
  .strictObject({
    tls: tlsSettings.optional().describe('TLS towards the broker; absent: plain text.'),
    sasl: saslSettings.optional().describe('SASL towards the broker; absent: none.'),
    connectTimeoutMs: duration('5s').describe('Longest wait for a connection.'),
    requestTimeoutMs: duration('10s').describe('Longest wait for one answer of the broker.'),
  })
  .prefault({});

/** The `broker:` section: the one Kafka broker this sidecar stands beside. */
export const brokerSettings = z
  .strictObject({
    serverProperties: z
      .string()
      .optional()
      .describe('The broker’s own server.properties: log.dirs and the listener are taken from it.'),
    logDirs: z
      .array(z.string().startsWith('/', 'must be an absolute path'))
      .min(1)
      .optional()
      .describe('The broker’s log.dirs; only read, never written.'),
    bootstrap: z
      .string()
      .regex(/^[^:\s]+:\d{1,5}$/, 'must be HOST:PORT')
      .optional()
      .describe('HOST:PORT of any broker of the cluster; the own broker is found by its node id.'),
    client: clientSettings.describe('How to talk to the broker.'),
  })
  .refine(
    (s) =>
      s.serverProperties !== undefined || (s.logDirs !== undefined && s.bootstrap !== undefined),
    {
      path: ['serverProperties'],
      error: 'give serverProperties, or both logDirs and bootstrap',
    },
  );

export type BrokerSettings = z.output<typeof brokerSettings>;
export type BrokerClientSettings = BrokerSettings['client'];
