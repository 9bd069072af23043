"""Names of the hyper-parameters of AWS's built-in algorithms: any other is a slip of the pen, and is said to be one.

LightGBM and CatBoost take whatever the libraries take.

Source: the page "<Algorithm> hyperparameters" of each algorithm (SageMaker Developer Guide); XGBoost has also the
library's own.
"""

import difflib
from collections.abc import Mapping

from modelyard.algorithms.contract.given import is_of_platform
from modelyard.algorithms.errors import HyperparameterInvalidError

_NAMES: Mapping[str, str] = {
    "xgboost": """num_round csv_weights early_stopping_rounds alpha base_score booster colsample_bylevel
        colsample_bynode colsample_bytree deterministic_histogram device dsplit eta eval_metric
        feature_selector gamma grow_policy huber_slope interaction_constraints lambda
        lambda_bias learning_rate max_bin max_cat_threshold max_cat_to_onehot max_delta_step
        max_depth max_leaves min_child_weight min_split_loss monotone_constraints multi_strategy
        normalize_type nthread num_class num_feature num_parallel_tree num_pbuffer objective
        one_drop predictor prob_buffer_row process_type quantile_alpha rate_drop refresh_leaf
        reg_alpha reg_lambda sample_type sampling_method save_model_on_termination save_period
        scale_pos_weight seed seed_per_iteration silent single_precision_histogram sketch_eps
        skip_drop subsample top_k tree_method tweedie_variance_power updater
        use_dask_gpu_training validate_parameters verbosity aft_loss_distribution
        aft_loss_distribution_scale lambdarank_num_pair_per_sample lambdarank_pair_method
        lambdarank_unbiased ndcg_exp_gain""",
    "linear-learner": """accuracy_top_k balance_multiclass_weights beta_1 beta_2 bias_lr_mult bias_wd_mult
        binary_classifier_model_selection_criteria early_stopping_patience
        early_stopping_tolerance epochs f_beta feature_dim huber_delta init_bias init_method
        init_scale init_sigma l1 learning_rate loss loss_insensitivity lr_scheduler_factor
        lr_scheduler_minimum_lr lr_scheduler_step margin mini_batch_size momentum normalize_data
        normalize_label num_calibration_samples num_classes num_models num_point_for_scaler
        optimizer positive_example_weight_mult predictor_type quantile target_precision
        target_recall unbias_data unbias_label use_bias use_lr_scheduler wd""",
    "k-means": """epochs eval_metrics extra_center_factor feature_dim force_dense half_life_time_size
        init_method k local_lloyd_init_method local_lloyd_max_iter local_lloyd_num_trials
        local_lloyd_tol mini_batch_size""",
    "pca": "algorithm_mode extra_components feature_dim force_dense mini_batch_size num_components subtract_mean",
    "knn": """dimension_reduction_target dimension_reduction_type faiss_index_ivf_nlists
        faiss_index_pq_m feature_dim index_metric index_type k mini_batch_size predictor_type
        sample_size""",
    "factorization-machines": """bias_init_method bias_init_scale bias_init_sigma bias_init_value bias_lr bias_wd
        clip_gradient epochs eps factors_init_method factors_init_scale factors_init_sigma
        factors_init_value factors_lr factors_wd feature_dim linear_init_method
        linear_init_scale linear_init_sigma linear_init_value linear_lr linear_wd
        mini_batch_size num_factors predictor_type rescale_grad""",
    "random-cut-forest": "eval_metrics feature_dim force_dense mini_batch_size num_samples_per_tree num_trees",
    "blazingtext": """batch_size buckets early_stopping epochs evaluation learning_rate max_char min_char
        min_count min_epochs mode negative_samples patience sampling_threshold subwords
        vector_dim window_size word_ngrams""",
    "deepar": """cardinality context_length dropout_rate early_stopping_patience embedding_dimension
        epochs learning_rate likelihood mini_batch_size num_cells num_dynamic_feat
        num_eval_samples num_layers prediction_length test_quantiles time_freq""",
    "image-classification": """augmentation_type beta_1 beta_2 checkpoint_frequency early_stopping
        early_stopping_min_epochs early_stopping_patience early_stopping_tolerance epochs eps
        gamma image_shape kv_store learning_rate lr_scheduler_factor lr_scheduler_step
        mini_batch_size momentum multi_label num_classes num_layers num_training_samples
        optimizer precision_dtype resize top_k use_pretrained_model use_weighted_loss
        weight_decay""",
}


def check_names(algorithm: str, given: Mapping[str, str]) -> None:
    """Nothing if the algorithm has every hyper-parameter that is given.

    Raises:
        HyperparameterInvalidError: it has not.
    """
    known = _NAMES.get(algorithm, "").split()
    extraneous = [name for name in given if name not in known and not is_of_platform(name)]
    if known and extraneous:
        name = extraneous[0]
        near = difflib.get_close_matches(name, known, 1)
        raise HyperparameterInvalidError(
            f"Extraneous hyperparameter found: {name[:100]}",
            hint=f"Is it '{near[0]}'?" if near else f"{algorithm} has {', '.join(sorted(known))}.",
            field=name,
        )
