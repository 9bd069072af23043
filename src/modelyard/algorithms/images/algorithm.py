"""Image classification: a multi-layer network in NumPy, a kernel machine, or a convolutional network by PyTorch."""

from collections.abc import Mapping

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

_INTEGER, _NUMBER, _BOOLEAN = HyperparameterType.INTEGER, HyperparameterType.NUMBER, HyperparameterType.BOOLEAN
_STRING, _INTEGERS = HyperparameterType.STRING, HyperparameterType.INTEGERS

HYPERPARAMETERS = (
    Hyperparameter(
        name="network",
        type=_STRING,
        default="auto",
        choices=("auto", "mlp", "kernel", "cnn"),
        description="mlp: multi-layer network, needs nothing else. cnn: convolutional network, needs PyTorch. "
        "kernel: kernel machine, strong with few images. auto: cnn where PyTorch is installed, else mlp.",
    ),
    Hyperparameter(
        name="layers",
        type=_INTEGERS,
        default="256,128",
        minimum=1,
        maximum=8192,
        description="Sizes of the dense hidden layers.",
    ),
    Hyperparameter(
        name="filters",
        type=_INTEGERS,
        default="32,64",
        minimum=1,
        maximum=1024,
        description="Filters of each convolutional layer; for network=cnn only.",
    ),
    Hyperparameter(
        name="epochs",
        type=_INTEGER,
        default=30,
        minimum=1,
        maximum=10_000,
        description="Passes over the training images.",
    ),
    Hyperparameter(
        name="learning_rate",
        type=_NUMBER,
        default=0.002,
        minimum=1e-6,
        maximum=1,
        description="First step size of the Adam optimiser; it falls to zero along a cosine.",
    ),
    Hyperparameter(
        name="mini_batch_size",
        type=_INTEGER,
        default=32,
        minimum=1,
        maximum=65_536,
        description="Images per update.",
    ),
    Hyperparameter(
        name="weight_decay",
        type=_NUMBER,
        default=0.0001,
        minimum=0,
        maximum=1,
        description="How strongly large weights are pulled to zero.",
    ),
    Hyperparameter(
        name="dropout",
        type=_NUMBER,
        default=0.2,
        minimum=0,
        maximum=0.9,
        description="Share of hidden units that each update leaves out.",
    ),
    Hyperparameter(
        name="label_smoothing",
        type=_NUMBER,
        default=0.05,
        minimum=0,
        maximum=0.5,
        description="How much of each label's certainty is spread over all classes; keeps confidences honest.",
    ),
    Hyperparameter(
        name="augmentation",
        type=_STRING,
        default="none",
        choices=("none", "shift", "noise", "shift-noise"),
        description="How each epoch changes the images: moved by a pixel or two, with noise, or both.",
    ),
    Hyperparameter(
        name="class_weight",
        type=_STRING,
        default="none",
        choices=("none", "balanced"),
        description="balanced: rare classes count as much as frequent ones.",
    ),
    Hyperparameter(
        name="early_stopping",
        type=_BOOLEAN,
        default=False,
        description="Set a tenth of the images aside and keep the epoch that was best on them.",
    ),
    Hyperparameter(
        name="early_stopping_patience",
        type=_INTEGER,
        default=5,
        minimum=1,
        maximum=1000,
        description="Epochs without improvement before training stops.",
    ),
    Hyperparameter(
        name="gamma",
        type=_NUMBER,
        default=0.5,
        minimum=1e-4,
        maximum=100,
        description="How quickly answers may change from image to image; for network=kernel only.",
    ),
    Hyperparameter(
        name="waves",
        type=_INTEGER,
        default=500,
        minimum=10,
        maximum=5000,
        description="Random functions that stand for the kernel; for network=kernel only.",
    ),
    Hyperparameter(
        name="regularisation",
        type=_NUMBER,
        default=0.1,
        minimum=1e-6,
        maximum=1e6,
        description="Pull of the weights to zero; for network=kernel only.",
    ),
    Hyperparameter(
        name="image_size",
        type=_INTEGER,
        default=0,
        minimum=0,
        maximum=1024,
        description="Side in pixels to which images are resized; 0 keeps their own size.",
    ),
    Hyperparameter(
        name="holdout_share",
        type=_NUMBER,
        default=0.2,
        minimum=0.05,
        maximum=0.5,
        description="Share of the images that never train and only judge; chosen by their content.",
    ),
)


class ImageClassification(Algorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="image-classification",
        task=Task.IMAGE_CLASSIFICATION,
        description="Learns to tell apart the classes of labelled images. Small images train in seconds on one core; "
        "larger ones are averaged down to 32 pixels a side.",
        input_formats=(DatasetFormat.NPZ.value, DatasetFormat.IMAGE_FOLDER.value),
        hyperparameters=HYPERPARAMETERS,
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss"),
        objective="accuracy",
        is_resumable=True,
    )

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on an npz or image-folder dataset; see the base.

        Raises:
            TooFewRowsError: fewer than 20 images.
            TargetInvalidError: fewer than two classes.
            TorchMissingError: network=cnn without PyTorch.
        """
        from modelyard.algorithms.images.training import train  # noqa: PLC0415 - onnx; describing must stay cheap

        train(channels, hyperparameters, self.description.name, context)
