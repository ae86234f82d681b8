import type { ActivationsResource } from '@unfold/contracts';
import { type MouseEvent, useEffect, useRef, useState } from 'react';
import { useExternal } from '../../external.ts';
import { colorsOf, paint } from '../../theme.ts';
import { visible } from './token-texts.ts';

type Rgb = [number, number, number];

const rgbOf = (color: string): Rgb => {
  const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
};

const mix = (from: Rgb, to: Rgb, share: number): Rgb =>
  from.map((value, k) => value + (to[k]! - value) * share) as Rgb;

/** Pixels, a column a token and a row a unit: from one colour at −1 over the ground at 0 to another at 1. */
const draw = (canvas: HTMLCanvasElement, { tokens, units }: ActivationsResource): void => {
  canvas.width = tokens.length;
  canvas.height = units.length;
  const context = canvas.getContext('2d');
  if (context === null) return;
  const colors = colorsOf(['unit-low', 'unit-zero', 'unit-high']);
  const [low, zero, high] = [
    rgbOf(colors['unit-low']),
    rgbOf(colors['unit-zero']),
    rgbOf(colors['unit-high']),
  ];
  const image = context.createImageData(tokens.length, units.length);
  units.forEach(({ values }, row) => {
    values.forEach((value, column) => {
      const [r, g, b] = mix(zero, value < 0 ? low : high, Math.min(1, Math.abs(value)));
      image.data.set([r, g, b, 255], (row * tokens.length + column) * 4);
    });
  });
  context.putImageData(image, 0, 0);
};

interface StripProps {
  activations: ActivationsResource;
  /** The unit that tints the text; null: none does. */
  unit: string | null;
  onUnit: (unit: string | null) => void;
  /** The column that is looked at. */
  looked: number | null;
  onLook: (token: number | null) => void;
}

const rowHeight = 24;
const narrowest = 5;

/** Hidden units over a text: which of them turn on where. */
export const ActivationStrip = ({ activations, unit, onUnit, looked, onLook }: StripProps) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [row, setRow] = useState<number | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const painted = useExternal(paint);
  const { tokens, units } = activations;
  // biome-ignore lint/correctness/useExhaustiveDependencies: other colours are drawn anew.
  useEffect(() => {
    if (canvas.current) draw(canvas.current, activations);
  }, [activations, painted]);
  const point = (event: MouseEvent<HTMLCanvasElement>): void => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - left) / width) * tokens.length);
    setRow(Math.min(units.length - 1, Math.floor(((event.clientY - top) / height) * units.length)));
    const token = Math.max(0, Math.min(tokens.length - 1, column));
    setPointed(token);
    onLook(token);
  };
  const at = pointed ?? looked;
  const said = units[row ?? units.findIndex(({ name }) => name === unit)];
  return (
    <div className="strip">
      <p className="strip-said small" aria-hidden="true">
        {said === undefined
          ? 'Each row is a hidden unit, each column a token.'
          : at === null
            ? `Unit ${said.name}: mean ${said.mean.toFixed(2)}, deviation ${said.deviation.toFixed(2)}`
            : `Unit ${said.name} after ${visible(tokens[at] ?? '')}: ${said.values[at]?.toFixed(3) ?? '–'}`}
      </p>
      <div className="strip-rows">
        {/* biome-ignore lint/a11y/useSemanticElements: buttons that choose one of them or none are no fieldset. */}
        <div className="unit-names" role="group" aria-label="Tint the text by a unit">
          {units.map(({ name, deviation }) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === unit}
              title={`Unit ${name}, deviation ${deviation.toFixed(2)}`}
              onClick={() => onUnit(name === unit ? null : name)}
            >
              {name}
            </button>
          ))}
        </div>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
        {/* biome-ignore lint/a11y/useSemanticElements: not a landmark. */}
        <div className="strip-frame" role="group" aria-label="Hidden units over the text" tabIndex={0}>
          <canvas
            ref={canvas}
            role="img"
            aria-label={`${units.length} hidden units over ${tokens.length} tokens; choose a unit to tint the text by its values`}
            style={{ width: `max(100%, ${tokens.length * narrowest}px)`, height: units.length * rowHeight }}
            onMouseMove={point}
            onMouseLeave={() => {
              setRow(null);
              setPointed(null);
              onLook(null);
            }}
            onClick={() => row !== null && onUnit(units[row]!.name)}
          />
        </div>
      </div>
      <p className="strip-legend small quiet">
        −1 <span className="scale" aria-hidden="true" /> 1
      </p>
    </div>
  );
};
