/** Number types of a safetensors file that are read. */
export type Dtype = 'F64' | 'F32' | 'F16' | 'BF16';

export const dtypeBytes: Readonly<Record<Dtype, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

export const isDtype = (value: unknown): value is Dtype =>
  typeof value === 'string' && Object.hasOwn(dtypeBytes, value);

/** IEEE 754 binary16. */
export const fromHalf = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

/** The numbers of a tensor's little-endian bytes, exactly. */
export const convertToDouble = (bytes: Uint8Array, dtype: Dtype): Float64Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtypeBytes[dtype];
  const numbers = new Float64Array(bytes.length / size);
  // The upper half of a float32 is a bfloat16.
  const word = new DataView(new ArrayBuffer(4));
  for (let k = 0; k < numbers.length; k++) {
    switch (dtype) {
      case 'F64':
        numbers[k] = view.getFloat64(8 * k, true);
        break;
      case 'F32':
        numbers[k] = view.getFloat32(4 * k, true);
        break;
      case 'F16':
        numbers[k] = fromHalf(view.getUint16(2 * k, true));
        break;
      case 'BF16':
        word.setUint16(0, view.getUint16(2 * k, true));
        numbers[k] = word.getFloat32(0);
        break;
    }
  }
  return numbers;
};
