"""Keras's trainer on simplecell: `fit`, `evaluate`, `predict` and their single-batch relatives.

A step runs as one program: forward, loss, gradients, the optimizer's update and the metrics. It is traced when a batch
of new shapes (or other trainable variables, or another optimizer) comes along. Override `train_step(self, data)`,
`test_step(self, data)`, `predict_step(self, data)` or `compute_loss` as in Keras; gradients come from
`simplecell.gradients(loss, variables)`. With `run_eagerly=True` steps run op by op on values, for debugging and for
Python code that looks at them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from keras.src import backend, tree
from keras.src import callbacks as callbacks_module
from keras.src import optimizers as optimizers_module
from keras.src.backend import config
from keras.src.trainers import trainer as base_trainer
from keras.src.trainers.data_adapters import array_slicing, data_adapter_utils
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.utils import traceback_utils
from keras.src.utils.python_utils import is_default, pythonify_logs

from simplecell.keras_backend.batches import Batches
from simplecell.keras_backend.conversion import convert_to_tensor, is_tensor
from simplecell.keras_backend.given import given, is_there
from simplecell.keras_backend.gradients import gradients
from simplecell.keras_backend.joined import Joined
from simplecell.keras_backend.step import Step


class NumpyTrainer(base_trainer.Trainer):
    """Named as Keras imports it from its NumPy slot."""

    def __init__(self) -> None:
        super().__init__()
        self.train_function: Step | None = None
        self.test_function: Step | None = None
        self.predict_function: Step | None = None

    # --- steps: traced, so that they are written as if they computed ------------------------------------------------

    def _forward(self, x: Any, training: bool) -> Any:
        return self(x, training=training) if self._call_has_training_arg else self(x)

    def _loss_and_tracking(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        self._loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        return loss

    def train_step(self, data: Any) -> Any:
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        y_pred = self._forward(x, training=True)
        loss = self._loss_and_tracking(x, y, y_pred, sample_weight, training=True)
        if self.optimizer is not None and self.trainable_weights:
            loss = self.optimizer.scale_loss(loss)
            self.optimizer.apply(gradients(loss, self.trainable_weights), self.trainable_weights)
        elif not self.trainable_weights:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Any:
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        y_pred = self._forward(x, training=False)
        self._loss_and_tracking(x, y, y_pred, sample_weight, training=False)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        x, _, _ = data_adapter_utils.unpack_x_y_sample_weight(data)
        return self._forward(x, training=False)

    def make_train_function(self, force: bool = False) -> Step:
        if self.train_function is None or force:
            self.train_function = Step(self, self.train_step, record=True)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Step:
        if self.test_function is None or force:
            self.test_function = Step(self, self.test_step)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Step:
        if self.predict_function is None or force:
            self.predict_function = Step(self, self.predict_step, joins=True)
        return self.predict_function

    # --- loops over batches -----------------------------------------------------------------------------------------

    @traceback_utils.filter_traceback
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        self._assert_compile_called("fit")
        x, y, sample_weight = given("x", is_there(x), self), given("y", y), given("sample_weight", sample_weight)
        limit = config.max_epochs()
        if limit and limit < epochs:
            warnings.warn(f"Limiting epochs to {limit}", stacklevel=2)
            epochs = limit
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = array_slicing.train_validation_split(
                (x, y, sample_weight), validation_split=validation_split
            )
        validation = None if validation_data is None else _validation(validation_data, self)
        batches = Batches(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
            steps_per_execution=self.steps_per_execution,
        )
        self._build_from(batches)
        callbacks = self._callback_list(callbacks, verbose, batches, epochs=epochs, add_history=True)
        train = self.make_train_function()
        self.stop_training = False
        self._eval_epoch_iterator = None
        logs: Any = {}
        epoch_logs: dict[str, Any] = {}
        callbacks.on_train_begin()
        try:
            for epoch in range(self._initial_epoch or initial_epoch, epochs):
                self.reset_metrics()
                callbacks.on_epoch_begin(epoch)
                with batches.catch_stop_iteration():
                    for begin, end, data in batches:
                        callbacks.on_train_batch_begin(begin)
                        logs = train(data)
                        callbacks.on_train_batch_end(end, logs)
                        if self.stop_training:
                            break
                epoch_logs = dict(self._get_metrics_result_or_logs(logs))
                if validation is not None and self._should_eval(epoch, validation_freq):
                    if self._eval_epoch_iterator is None:
                        self._eval_epoch_iterator = Batches(
                            x=validation[0],
                            y=validation[1],
                            sample_weight=validation[2],
                            batch_size=validation_batch_size or batch_size,
                            steps_per_execution=self.steps_per_execution,
                            steps_per_epoch=validation_steps,
                            shuffle=False,
                        )
                    results = self.evaluate(
                        x=validation[0],
                        y=validation[1],
                        sample_weight=validation[2],
                        batch_size=validation_batch_size or batch_size,
                        steps=validation_steps,
                        callbacks=callbacks,
                        return_dict=True,
                        _use_cached_eval_dataset=True,
                    )
                    epoch_logs.update({f"val_{name}": value for name, value in results.items()})
                callbacks.on_epoch_end(epoch, epoch_logs)
                if self.stop_training:
                    break
            if isinstance(self.optimizer, optimizers_module.Optimizer) and epochs > 0:
                self.optimizer.finalize_variable_values(self.trainable_weights)
            callbacks.on_train_end(logs=epoch_logs)
        finally:
            self._eval_epoch_iterator = None
        return self.history

    @traceback_utils.filter_traceback
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        self._assert_compile_called("evaluate")
        cached = kwargs.pop("_use_cached_eval_dataset", False)
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        x, y, sample_weight = given("x", is_there(x), self), given("y", y), given("sample_weight", sample_weight)
        if cached:
            batches = self._eval_epoch_iterator
        else:
            batches = Batches(
                x=x,
                y=y,
                sample_weight=sample_weight,
                batch_size=batch_size,
                steps_per_epoch=steps,
                shuffle=False,
                steps_per_execution=self.steps_per_execution,
            )
        self._build_from(batches)
        callbacks = self._callback_list(callbacks, verbose, batches)
        test = self.make_test_function()
        self.stop_evaluating = False
        callbacks.on_test_begin()
        logs: Any = {}
        self.reset_metrics()
        with batches.catch_stop_iteration():
            for begin, end, data in batches:
                callbacks.on_test_batch_begin(begin)
                logs = test(data)
                callbacks.on_test_batch_end(end, logs)
                if self.stop_evaluating:
                    break
        logs = pythonify_logs(self._get_metrics_result_or_logs(logs))
        callbacks.on_test_end(logs)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    @traceback_utils.filter_traceback
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        x = given("x", is_there(x), self)
        batches = Batches(
            x=x,
            batch_size=batch_size,
            steps_per_epoch=steps,
            shuffle=False,
            steps_per_execution=self.steps_per_execution,
        )
        if batches.num_batches == 0 and isinstance(batches.data_adapter, ArrayDataAdapter):
            return self.predict_on_batch(x)  # no samples: the outputs' shapes with a batch of 0
        if not all(layer.built for layer in self._flatten_layers()):
            self._build_for_prediction(data_adapter_utils.unpack_x_y_sample_weight(batches.first())[0])
            batches.reset()
        callbacks = self._callback_list(callbacks, verbose, batches)
        step = self.make_predict_function()
        self.stop_predicting = False
        callbacks.on_predict_begin()
        watched = _watch_outputs(callbacks)
        outputs = Joined(batches.num_batches, batches.num_samples)
        with batches.catch_stop_iteration():
            for begin, end, data in batches:
                callbacks.on_predict_batch_begin(begin)
                outputs.begin()
                step(data, outputs)
                callbacks.on_predict_batch_end(end, {"outputs": outputs.since()} if watched else {})
                if self.stop_predicting:
                    break
        callbacks.on_predict_end()
        if not outputs:
            raise ValueError("There is nothing to predict: `x` holds no batch. Pass at least one sample.")
        return outputs.result()

    # --- single batches ---------------------------------------------------------------------------------------------

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                    f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
                )
            sample_weight = data_adapter_utils.class_weight_to_sample_weights(y, class_weight)
        data = (given("x", _arrays(x), self), given("y", _arrays(y)), given("sample_weight", _arrays(sample_weight)))
        self._symbolic_build(data_batch=data)
        train = self.make_train_function()
        self.reset_metrics()
        return self._batch_logs(train([data]), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        self._assert_compile_called("test_on_batch")
        data = (given("x", _arrays(x), self), given("y", _arrays(y)), given("sample_weight", _arrays(sample_weight)))
        self._symbolic_build(data_batch=data)
        test = self.make_test_function()
        self.reset_metrics()
        return self._batch_logs(test([data]), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        x = given("x", _arrays(is_there(x)), self)
        if not all(layer.built for layer in self._flatten_layers()):
            self._build_for_prediction(x)
        outputs = self.make_predict_function()([(x,)])
        return tree.map_structure(lambda y: y if isinstance(y, np.ndarray) else backend.convert_to_numpy(y), outputs)

    def _batch_logs(self, logs: Any, return_dict: bool) -> Any:
        logs = pythonify_logs(logs)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _build_from(self, batches: Batches) -> None:
        """Make the variables of the model, its loss and metrics and the optimizer, if the first batch has to tell their
        shapes."""
        if batches.num_batches == 0:
            raise ValueError("There is no data: `x` holds no batch. Pass at least one sample.")
        self._symbolic_build(data_batch=None if self._is_built() else batches.first())
        batches.reset()

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        from keras.src.models.model import Model  # which is a subclass of this one

        if type(self).call is Model.call:
            # Networks that only a `train_step` of the user's own brings together: they are built by their inputs, or by
            # that step.
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            return
        if self.run_eagerly and not self._is_built():
            self._build_eagerly(data_batch)
        super()._symbolic_build(iterator=iterator, data_batch=data_batch)

    def _is_built(self) -> bool:
        parts = [*self._flatten_layers(), self._compile_metrics, self._compile_loss]
        return all(part is None or part.built for part in parts)

    def _build_eagerly(self, data: Any) -> None:
        """Build by computing: code that looks at values (that is what `run_eagerly` is for) cannot be traced."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        with backend.StatelessScope():
            y_pred = self._forward(x, training=False)
            if self._compile_metrics is not None and not self._compile_metrics.built:
                self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
            if self._compile_loss is not None and not self._compile_loss.built:
                self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)

    def _build_for_prediction(self, x: Any) -> None:
        spec = tree.map_structure(
            lambda v: backend.KerasTensor(v.shape, backend.standardize_dtype(v.dtype)) if is_tensor(v) else v, x
        )
        backend.compute_output_spec(self, spec)

    def _callback_list(
        self, callbacks: Any, verbose: Any, batches: Batches, epochs: int = 1, add_history: bool = False
    ) -> Any:
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        made = callbacks_module.CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=batches.num_batches,
            model=self,
        )
        if all(is_default(getattr(c, hook)) for c in made.callbacks for hook in _BATCH_ENDS):
            # Keras would start a thread for each call, and hand it the end of each batch: for nobody.
            made._async_train = made._async_test = made._async_predict = False
        return made


def _watch_outputs(callbacks: Any) -> bool:
    """May one of them look at a batch's predictions?"""
    return any(
        not is_default(c.on_predict_batch_end) and type(c) is not callbacks_module.ProgbarLogger
        for c in callbacks.callbacks
    )


_BATCH_ENDS = ("on_batch_end", "on_train_batch_end", "on_test_batch_end", "on_predict_batch_end")


def _validation(data: Any, model: Any) -> Any:
    x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
    return given("validation_data", x, model), given("validation_data", y), given("validation_data", sample_weight)


def _batch_size(x: Any) -> int:
    return int(next(leaf for leaf in tree.flatten(x) if leaf is not None).shape[0])


def _arrays(data: Any) -> Any:
    """The structure with arrays for leaves; nested lists of numbers are one array. None stays."""
    if data is None or isinstance(data, np.ndarray):
        return data
    if isinstance(data, dict):
        return {key: _arrays(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)) and any(v is None or hasattr(v, "__array__") for v in tree.flatten(data)):
        return type(data)(map(_arrays, data))
    return convert_to_tensor(data) if isinstance(data, (list, tuple, int, float)) else np.asarray(data)
