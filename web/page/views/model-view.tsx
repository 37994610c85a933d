/**
 * Everything about a model: what is in it, what can be chosen, what came out.
 * It exists as a file of its own that arrives after the page is ready: most of the page's code is here.
 * Shown with a model only.
 */
import '../style/tables.css';
import { ForecastCard } from './forecast-card.js';
import { ModelCard } from './model-card.js';
import { OptionsForm } from './options-form.js';
import { OutcomeCard } from './outcome-card.js';
import { TensorDetails } from './tensor-details.js';
import { TensorTable } from './tensor-table.js';
import type { ViewProps } from './view-props.js';

export function ModelView({ workbench }: ViewProps) {
  return (
    <div class="columns">
      <div class="column">
        <ModelCard workbench={workbench} />
        <OptionsForm workbench={workbench} />
      </div>
      <div class="column">
        <ForecastCard workbench={workbench} />
        <OutcomeCard workbench={workbench} />
        <TensorTable workbench={workbench} />
        <TensorDetails workbench={workbench} />
      </div>
    </div>
  );
}
