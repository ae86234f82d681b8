/**
 * WGSL of elementary functions from arithmetic alone, so that no driver decides their accuracy: relative errors are below 3e-7. NaN in, NaN out, also
 * where a compiler takes it that there is no NaN: only its bits are asked. The polynomials are those of the native engine (Cephes, Moshier).
 */
export const elementary = `
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// x = n ln 2 + r; r, e^r - 1 - r and 2^n. -88 <= x <= 88.3.
struct Reduced { r: f32, tail: f32, power: f32 }
fn reduce_exponent(x: f32) -> Reduced {
  let n = floor(fma(x, 1.44269504, 0.5));
  var r = fma(n, -0.693359375, x);
  r = fma(n, 2.12194440e-4, r);
  var q = 1.9875691500e-4;
  q = fma(q, r, 1.3981999507e-3);
  q = fma(q, r, 8.3334519073e-3);
  q = fma(q, r, 4.1665795894e-2);
  q = fma(q, r, 1.6666665459e-1);
  q = fma(q, r, 5.0000001201e-1);
  return Reduced(r, r * r * q, bitcast<f32>(u32(i32(n) + 127) << 23u));
}
// 0 below -87.7, and never infinite: above 88.3 it stays at 2.2e38.
fn exponential(x: f32) -> f32 {
  let e = reduce_exponent(clamp(x, -88.0, 88.3));
  return select((1.0 + (e.r + e.tail)) * e.power, x, is_nan(x));
}
fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exponential(-x)); }
// -m / (2 + m) with m = e^(-2|x|) - 1, formed without cancellation.
fn hyperbolic_tangent(x: f32) -> f32 {
  let e = reduce_exponent(clamp(-2.0 * abs(x), -88.0, 0.0));
  let m = fma(e.power, e.r + e.tail, e.power - 1.0);
  let y = -m / (2.0 + m);
  return select(select(y, -y, x < 0.0), x, is_nan(x));
}
// e ln 2 + 2 artanh((m - 1) / (m + 1)) with x = m 2^e, for normal x; -infinity at 0, NaN below.
fn logarithm(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits << 1u) == 0u) { return bitcast<f32>(0xff800000u + (bits & 0u)); }
  if (is_nan(x) || bits == 0x7f800000u) { return x; }
  if (bits >= 0x80000000u) { return bitcast<f32>(0x7fc00000u | (bits & 1u)); }
  var e = f32(i32(bits >> 23u) - 127);
  var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
  if (m > 1.41421356) { m *= 0.5; e += 1.0; }
  let s = (m - 1.0) / (m + 1.0);
  let z = s * s;
  var q = 1.0 / 13.0;
  q = fma(q, z, 1.0 / 11.0);
  q = fma(q, z, 1.0 / 9.0);
  q = fma(q, z, 1.0 / 7.0);
  q = fma(q, z, 1.0 / 5.0);
  q = fma(q, z, 1.0 / 3.0);
  return fma(e, 0.693359375, fma(2.0 * s * z, q, fma(e, -2.12194440e-4, 2.0 * s)));
}
`;

/** WGSL: the squashing functions of the library and their slopes by value, chosen by `squashCode`. */
export const squashes = `
${elementary}
fn squash(code: u32, x: f32) -> f32 {
  switch code {
    case 1u: { return select(select(x, 0.0, x < 0.0), x, is_nan(x)); }
    case 2u: { return sigmoid(x); }
    case 3u: { return x / (1.0 + abs(x)); }
    default: { return hyperbolic_tangent(x); }
  }
}
fn squash_slope(code: u32, y: f32) -> f32 {
  switch code {
    case 1u: { return select(select(0.0, 1.0, y > 0.0), y, is_nan(y)); }
    case 2u: { return y * (1.0 - y); }
    case 3u: { return (1.0 - abs(y)) * (1.0 - abs(y)); }
    default: { return fma(-y, y, 1.0); }
  }
}
`;

export const squashCode = { tanh: 0, relu: 1, sigmoid: 2, softsign: 3 } as const;

/** WGSL: Philox4x32-10, see `philox.ts`, drawn by place, see `RandomKey`. */
export const philox = `
fn multiply_high(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu; let a_high = a >> 16u;
  let b_low = b & 0xffffu; let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}
fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var x = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    x = vec4u(
      multiply_high(0xcd9e8d57u, x.z) ^ x.y ^ k.x, 0xcd9e8d57u * x.z,
      multiply_high(0xd2511f53u, x.x) ^ x.w ^ k.y, 0xd2511f53u * x.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}
// Whether the upper 24 bits of that place's word are below a threshold.
fn is_drawn(step: u32, sequence: u32, t: u32, unit: u32, seed: u32, purpose: u32, threshold: u32) -> bool {
  let words = philox(vec4u(step, sequence, t, unit / 4u), vec2u(seed, purpose));
  return (words[unit % 4u] >> 8u) < threshold;
}
`;

/** The number that a draw of 24 bits is below with this probability, exactly as a comparison in double has it. */
export function threshold(rate: number): number {
  return Math.ceil(rate * 2 ** 24);
}
