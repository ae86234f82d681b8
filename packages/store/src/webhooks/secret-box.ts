import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Keeps secrets that must be used again, and so cannot be hashed. */
export interface SecretBox {
  /** @param owner the row that the secret belongs to: moved to another, it does not open */
  seal(secret: string, owner: string): string;
  /** Null if it was sealed with another key. */
  open(sealed: string, owner: string): string | null;
}

const algorithm = 'aes-256-gcm';
const sealedPrefix = 'sealed:';
const ivBytes = 12;
const tagBytes = 16;

const open = (key: Buffer, sealed: string, owner: string): string | null => {
  const bytes = Buffer.from(sealed.slice(sealedPrefix.length), 'base64');
  try {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(Buffer.from(owner));
    decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString();
  } catch {
    return null;
  }
};

/**
 * AES-256-GCM with a key derived (HKDF-SHA256) from the configured one. Without a key secrets stay as they are; what
 * was stored so opens with a key, too.
 */
export const createSecretBox = (configured: string | null): SecretBox => {
  const key =
    configured === null
      ? null
      : Buffer.from(hkdfSync('sha256', configured, '', 'unfold: secrets at rest', 32));
  return {
    seal: (secret, owner) => {
      if (key === null) return secret;
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(owner));
      const content = Buffer.concat([cipher.update(secret), cipher.final()]);
      return `${sealedPrefix}${Buffer.concat([iv, cipher.getAuthTag(), content]).toString('base64')}`;
    },
    open: (sealed, owner) => {
      if (!sealed.startsWith(sealedPrefix)) return sealed;
      return key === null ? null : open(key, sealed, owner);
    },
  };
};
