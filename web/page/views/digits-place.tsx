/**
 * The place of the demonstration, for the one model that can be drawn for.
 * It exists so that what only this model needs arrives with it: code, test images and all.
 * Whoever opens the model as a file of their own is asked before anything is fetched.
 */
import { useEffect, useState } from 'preact/hooks';
import { isDigits } from '../digits/network.js';
import { type Fault, faultOf } from '../fault.js';
import type { OpenModel } from '../open-model.js';
import type { DigitsCard } from './digits-card.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';

export function DigitsPlace({ workbench }: ViewProps) {
  const model = workbench.model.value;
  if (model === undefined || !isDigits(model.catalog.tensors)) return null;
  return <Offered workbench={workbench} model={model} key={model.source} />;
}

function Offered({ workbench, model }: ViewProps & { readonly model: OpenModel }) {
  const [isWanted, want] = useState(model.isSample ?? false);
  const [card, setCard] = useState<{ readonly Card: typeof DigitsCard }>();
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    if (!isWanted) return;
    setFault(undefined);
    import('./digits-card.js').then(
      ({ DigitsCard: Card }) => setCard({ Card }),
      (error: unknown) => setFault(faultOf(error)),
    );
  }, [isWanted]);
  if (card !== undefined) return <card.Card workbench={workbench} model={model} />;
  return (
    <section class="card offered" aria-labelledby="draw-title">
      <h2 id="draw-title">Draw a digit</h2>
      <p class="quiet">
        This is the classifier of handwritten digits among monoquant's examples. Draw for it, and
        see what it answers with fewer bits.
      </p>
      {!isWanted && (
        <div class="buttons">
          <button type="button" class="button" onClick={() => want(true)}>
            Fetch the test images and draw
          </button>
        </div>
      )}
      <FaultNotice fault={fault} title="A part of this page did not arrive. Load it again." />
    </section>
  );
}
