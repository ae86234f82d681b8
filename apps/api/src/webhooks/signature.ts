import { createHmac } from 'node:crypto';

/**
 * The headers of Standard Webhooks 1.0 (standardwebhooks.com), which OpenAI's client verifies: HMAC-SHA256 over
 * `id.timestamp.body`, one signature per secret.
 * @param secrets `whsec_` and the key in base64
 * @param timestamp unix time in seconds
 */
export const signatureHeaders = (
  id: string,
  timestamp: number,
  body: string,
  secrets: readonly string[],
): Record<string, string> => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': secrets
    .map((secret) => {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
      return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
    })
    .join(' '),
});
