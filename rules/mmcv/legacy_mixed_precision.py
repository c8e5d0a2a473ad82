"""Mixed precision on ${device}: apex's where it is on, else PyTorch's own."""
import contextlib
import importlib
import inspect

import torch
from mmcv.utils.device import DEVICE

# On CUDA the hooks of this release convert the model to float16, as upstream.
NATIVE_AMP = DEVICE != 'cuda'


def autocast(enabled):
    """Switch PyTorch's mixed precision on the chip on or off for a block."""
    if not NATIVE_AMP:
        return contextlib.suppress()
    return torch.autocast(DEVICE, dtype=torch.float16, enabled=enabled)


def grad_scaler(**options):
    """The plugin's GradScaler, or PyTorch's where it brings none."""
    try:
        kind = importlib.import_module('${amp_module}').GradScaler
    except (ImportError, AttributeError):
        return torch.amp.GradScaler(DEVICE, **options)
    return kind(**options)


class NativeScaler:
    """A GradScaler that scales as a LossScaler of this release was told to.

    Args:
        told (LossScaler): What the config asked for.
        loss_scale (float | str | dict): What Fp16OptimizerHook was given.
    """

    def __init__(self, told, loss_scale):
        self.static = told.cur_scale if told.mode == 'static' else None
        options = dict()
        if loss_scale != 'dynamic':
            options = dict(
                init_scale=float(told.cur_scale),
                growth_factor=told.scale_factor,
                backoff_factor=1 / told.scale_factor,
                growth_interval=told.scale_window)
        self.scaler = grad_scaler(**options)

    @property
    def loss_scale(self):
        """The factor that losses are multiplied with now."""
        return self.scaler.get_scale()

    cur_scale = loss_scale

    def resume(self, meta):
        """Go on with the scale that a checkpoint was saved with."""
        state = ((meta or {}).get('fp16') or {}).get('loss_scaler')
        if state:
            self.scaler.load_state_dict(state)

    def step(self, runner, clip_grads):
        """Backward and step of one iteration.

        Args:
            runner (BaseRunner): Its outputs hold the loss.
            clip_grads (callable | None): Clips the gradients of parameters
                and returns their norm.
        """
        zero_grad(runner.model)
        zero_grad(runner.optimizer)
        self.scaler.scale(runner.outputs['loss']).backward()
        self.scaler.unscale_(runner.optimizer)
        if clip_grads is not None:
            grad_norm = clip_grads(runner.model.parameters())
            # An overflow has no norm, and its step is not made.
            if grad_norm is not None and torch.isfinite(grad_norm):
                runner.log_buffer.update({'grad_norm': float(grad_norm)},
                                         runner.outputs['num_samples'])
        self.scaler.step(runner.optimizer)
        self.scaler.update(self.static)
        if runner.meta is None:
            runner.meta = dict()
        runner.meta['fp16'] = dict(loss_scaler=self.scaler.state_dict())


def zero_grad(owner):
    """Zero the gradients of a model or optimizer, and keep the tensors."""
    keeps = 'set_to_none' in inspect.signature(owner.zero_grad).parameters
    owner.zero_grad(**(dict(set_to_none=False) if keeps else {}))


def find_apex():
    """apex's amp module; None where apex is not installed or not usable."""
    try:
        return importlib.import_module('apex.amp')
    except Exception:
        return None


def apex_is_on(optimizer):
    """Whether amp.initialize has had this optimizer."""
    return hasattr(optimizer, '_amp_stash')


def backward(loss, optimizer):
    """Backward of a loss, scaled where apex is on."""
    if not apex_is_on(optimizer):
        loss.backward()
        return
    with find_apex().scale_loss(loss, optimizer) as scaled_loss:
        scaled_loss.backward()


def stepped_parameters(model, optimizer):
    """The parameters whose gradients the optimizer's next step reads: apex's
    master parameters where it is on."""
    if apex_is_on(optimizer):
        return find_apex().master_params(optimizer)
    return model.parameters()


def amp_options(cfg):
    """What a config's key ``amp`` asks for.

    Args:
        cfg (Config): ``amp = True``, or a dict of ``opt_level`` (O1 unless it
            says another; O0 is off) and ``loss_scale`` (dynamic unless it
            says a number).

    Returns:
        dict | None: Both options; None if there is to be no mixed precision.
    """
    asked = cfg.get('amp', None)
    if not asked:
        return None
    if cfg.get('fp16', None) is not None:
        raise ValueError('a config may have `amp` or `fp16`, not both: each '
                         'of them scales the loss')
    options = dict(opt_level='O1', loss_scale='dynamic')
    options.update({} if asked is True else asked)
    return None if options['opt_level'] == 'O0' else options


def initialize(model, optimizer, opt_level, loss_scale):
    """apex's amp.initialize, with what this build of it takes."""
    amp = find_apex()
    options = dict(opt_level=opt_level, loss_scale=loss_scale)
    if 'combine_grad' in inspect.signature(amp.initialize).parameters:
        options['combine_grad'] = True
    # binary_cross_entropy after a sigmoid is refused in float16.
    amp.register_float_function(torch, 'sigmoid')
    return amp.initialize(model, optimizer, **options)


def fp16_options(cfg):
    """The arguments of Fp16OptimizerHook, for ``fp16`` or for ``amp`` where
    apex is not installed; None for neither."""
    options = amp_options(cfg)
    if options is None or find_apex() is not None:
        return cfg.get('fp16', None)
    scale = options['loss_scale']
    return dict(loss_scale=scale if scale == 'dynamic' else float(scale))
