"""Write the model as MLflow's own format."""

import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import model_code

model = model_code.load()
target = Path(os.environ["BENCHMARK_SCRATCH"]) / "mlflow-model"


class Transformer(mlflow.pyfunc.PythonModel):
    """What MLflow asks of a model that only transforms: a class of the user's own."""

    def predict(self, context: Any, model_input: Any) -> Any:
        """Answer a DataFrame."""
        del context
        return model.transform(model_input)


if type(model).__module__.startswith("xgboost"):
    mlflow.xgboost.save_model(model, target)
elif hasattr(model, "predict"):
    # Its new default format takes only what its own list trusts; pickle was the default until then.
    mlflow.sklearn.save_model(model, target, serialization_format="cloudpickle")
else:
    mlflow.pyfunc.save_model(target, python_model=Transformer())
