"""The names behind :mod:`bezoar.learn.modelfiles.known`: what serialisers of well-known libraries write.

Classes of scikit-learn are known by name, wherever in scikit-learn they lie: releases move them about. Its own list of
estimators gave most names; the others are what estimators hold when they are fitted.
"""

from typing import Final

from bezoar.learn.modelfiles.pieces import words

SKLEARN: Final = words(
    "ARDRegression AbsoluteError AdaBoostClassifier AdaBoostRegressor AdamOptimizer AdditiveChi2Sampler "
    "AffinityPropagation AgglomerativeClustering BaggingClassifier BaggingRegressor BaseEstimator "
    "BayesianGaussianMixture BayesianRidge BernoulliNB BernoulliRBM Binarizer BinaryCrossEntropy BinomialDeviance "
    "Birch BisectingKMeans CCA CalibratedClassifierCV CategoricalCrossentropy CategoricalNB ClassicalMDS "
    "ClassifierChain ColumnTransformer ComplementNB CompoundKernel ConstantKernel CountVectorizer DBSCAN "
    "DecisionTreeClassifier DecisionTreeRegressor DictVectorizer DictionaryLearning DotProduct DummyClassifier "
    "DummyRegressor ElasticNet ElasticNetCV EllipticEnvelope EmpiricalCovariance ExpSineSquared ExponentialLoss "
    "Exponentiation ExtraTreeClassifier ExtraTreeRegressor ExtraTreesClassifier ExtraTreesRegressor FactorAnalysis "
    "FastICA FeatureAgglomeration FeatureHasher FeatureUnion FixedThresholdClassifier FrozenEstimator "
    "FunctionTransformer GMM GammaRegressor GaussianMixture GaussianNB GaussianProcess GaussianProcessClassifier "
    "GaussianProcessRegressor GaussianRandomProjection GenericUnivariateSelect GradientBoostingClassifier "
    "GradientBoostingRegressor GraphicalLasso GraphicalLassoCV GridSearchCV GroupKFold GroupShuffleSplit HDBSCAN "
    "HalfBinomialLoss HalfGammaLoss HalfLogitLink HalfMultinomialLoss HalfPoissonLoss HalfSquaredError "
    "HalfTweedieLoss HalfTweedieLossIdentity HalvingGridSearchCV HalvingRandomSearchCV HashingVectorizer "
    "HistGradientBoostingClassifier HistGradientBoostingRegressor HuberLoss HuberLossFunction HuberRegressor "
    "Hyperparameter IdentityLink Imputer IncrementalPCA IsolationForest Isomap IsotonicRegression IterativeImputer "
    "KBinsDiscretizer KFold KMeans KNNImputer KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer "
    "KernelCenterer KernelDensity KernelPCA KernelRidge LSHForest LabelBinarizer LabelEncoder LabelPropagation "
    "LabelSpreading Lars LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LatentDirichletAllocation "
    "LeastAbsoluteDeviation LeastAbsoluteError LeastSquares LeastSquaresError LeaveOneGroupOut LeaveOneOut LedoitWolf "
    "LinearDiscriminantAnalysis LinearRegression LinearSVC LinearSVR LocalOutlierFactor LocallyLinearEmbedding "
    "LogLink LogOddsEstimator LogisticRegression LogisticRegressionCV LogitLink MDS MLPClassifier MLPRegressor Matern "
    "MaxAbsScaler MeanEstimator MeanShift MetadataRequest MethodMetadataRequest MinCovDet MinMaxScaler "
    "MiniBatchDictionaryLearning MiniBatchKMeans MiniBatchNMF MiniBatchSparsePCA MissingIndicator MultiLabelBinarizer "
    "MultiOutputClassifier MultiOutputRegressor MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso "
    "MultiTaskLassoCV MultinomialDeviance MultinomialLogit MultinomialNB NMF NearestCentroid NearestNeighbors "
    "NeighborhoodComponentsAnalysis Normalizer NuSVC NuSVR Nystroem OAS OPTICS OneClassSVM OneHotEncoder "
    "OneVsOneClassifier OneVsRestClassifier OrdinalEncoder OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV "
    "OutputCodeClassifier PCA PLSCanonical PLSRegression PLSSVD PairwiseKernel ParameterGrid ParameterSampler "
    "PassiveAggressiveClassifier PassiveAggressiveRegressor PatchExtractor Perceptron PinballLoss Pipeline "
    "PoissonRegressor PolynomialCountSketch PolynomialFeatures PowerTransformer PredefinedSplit "
    "PriorProbabilityEstimator Product ProjectedGradientNMF QuadraticDiscriminantAnalysis QuantileEstimator "
    "QuantileLossFunction QuantileRegressor QuantileTransformer RANSACRegressor RBF RBFSampler RFE RFECV "
    "RadiusNeighborsClassifier RadiusNeighborsRegressor RadiusNeighborsTransformer RandomForestClassifier "
    "RandomForestRegressor RandomTreesEmbedding RandomizedLasso RandomizedLogisticRegression RandomizedPCA "
    "RandomizedSearchCV RationalQuadratic RegressorChain RepeatedKFold RepeatedStratifiedKFold Ridge RidgeCV "
    "RidgeClassifier RidgeClassifierCV RobustScaler SGDClassifier SGDOneClassSVM SGDOptimizer SGDRegressor SVC SVR "
    "SamplingMixin ScaledLogOddsEstimator SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest SelectPercentile "
    "SelfTrainingClassifier SequentialFeatureSelector ShrunkCovariance ShuffleSplit SimpleImputer SkewedChi2Sampler "
    "SparseCoder SparsePCA SparseRandomProjection SpectralBiclustering SpectralClustering SpectralCoclustering "
    "SpectralEmbedding SplineTransformer StackingClassifier StackingRegressor StandardScaler StratifiedGroupKFold "
    "StratifiedKFold StratifiedShuffleSplit Sum TSNE TargetEncoder TfidfTransformer TfidfVectorizer TheilSenRegressor "
    "TimeSeriesSplit TransformedTargetRegressor TruncatedSVD TunedThresholdClassifierCV TweedieRegressor VBGMM "
    "VarianceThreshold VotingClassifier VotingRegressor WhiteKernel ZeroEstimator "
    "_BinaryGaussianProcessClassifierLaplace _BisectingTree _CFNode _CFSubcluster _CalibratedClassifier "
    "_ConstantPredictor _CurveScorer _MultimetricScorer _PassthroughScorer _PredictScorer _ProbaScorer _Scorer "
    "_SigmoidCalibration _TemperatureScaling _ThresholdScorer make_column_selector "
)
"""Classes that are made empty and then given their attributes."""
SKLEARN_CALLED: Final = words(
    "BallTree BallTree32 BallTree64 BestSplitter BinaryTree BrayCurtisDistance BrayCurtisDistance32 "
    "BrayCurtisDistance64 CanberraDistance CanberraDistance32 CanberraDistance64 ChebyshevDistance "
    "ChebyshevDistance32 ChebyshevDistance64 Classification Criterion CyAbsoluteError CyExponentialLoss "
    "CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss "
    "CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss DiceDistance DiceDistance32 DiceDistance64 DistanceMetric "
    "Entropy EpsilonInsensitive EuclideanDistance EuclideanDistance32 EuclideanDistance64 FriedmanMSE Gini "
    "HammingDistance HammingDistance32 HammingDistance64 HaversineDistance HaversineDistance32 HaversineDistance64 "
    "Hinge Huber Interval JaccardDistance JaccardDistance32 JaccardDistance64 KDTree KDTree32 KDTree64 "
    "KulsinskiDistance KulsinskiDistance32 KulsinskiDistance64 Log MAE MSE MahalanobisDistance MahalanobisDistance32 "
    "MahalanobisDistance64 ManhattanDistance ManhattanDistance32 ManhattanDistance64 MatchingDistance "
    "MatchingDistance32 MatchingDistance64 MinkowskiDistance MinkowskiDistance32 MinkowskiDistance64 ModifiedHuber "
    "Poisson RandomSplitter Regression RogersTanimotoDistance RogersTanimotoDistance32 RogersTanimotoDistance64 "
    "RussellRaoDistance RussellRaoDistance32 RussellRaoDistance64 SEuclideanDistance SEuclideanDistance32 "
    "SEuclideanDistance64 SokalMichenerDistance SokalMichenerDistance32 SokalMichenerDistance64 SokalSneathDistance "
    "SokalSneathDistance32 SokalSneathDistance64 SquaredEpsilonInsensitive SquaredHinge SquaredLoss Tree "
    "TreePredictor WMinkowskiDistance WMinkowskiDistance32 WMinkowskiDistance64 _BinMapper _ImputerTriplet "
)
"""Classes that are made with numbers and arrays, most of them compiled."""
SKLEARN_FUNCTIONS: Final = words(
    "_kmeans_single_lloyd _kmeans_single_elkan lloyd_iter_chunked_dense elkan_iter_chunked_dense f_classif "
    "f_regression chi2 mutual_info_classif mutual_info_regression r_regression f_oneway accuracy_score "
    "balanced_accuracy_score f1_score fbeta_score precision_score recall_score jaccard_score log_loss "
    "brier_score_loss matthews_corrcoef cohen_kappa_score hamming_loss zero_one_loss roc_auc_score "
    "average_precision_score top_k_accuracy_score r2_score mean_squared_error root_mean_squared_error "
    "mean_absolute_error median_absolute_error mean_squared_log_error root_mean_squared_log_error "
    "explained_variance_score max_error mean_poisson_deviance mean_gamma_deviance mean_absolute_percentage_error "
    "mean_pinball_loss d2_tweedie_score rbf_kernel linear_kernel polynomial_kernel sigmoid_kernel laplacian_kernel "
    "cosine_similarity euclidean_distances manhattan_distances cosine_distances strip_accents_unicode "
    "strip_accents_ascii strip_tags identity "
)
"""Functions of numbers that estimators keep as parameters."""
NUMPY_SCALARS_TEXT: Final = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp uintp int_ uint intc uintc longlong ulonglong "
    "float16 float32 float64 float_ longdouble complex64 complex128 complex_ clongdouble str_ bytes_ object_ "
    "datetime64 timedelta64 void generic number "
)
"""Scalar types of numpy."""
NUMPY_SCALARS: Final = frozenset(NUMPY_SCALARS_TEXT.split())
NUMPY_FUNCTIONS: Final = (
    "abs absolute exp exp2 expm1 log log1p log2 log10 sqrt square cbrt reciprocal sin cos tan arcsin arccos arctan "
    "sinh cosh tanh sign floor ceil rint round trunc clip mean median sum prod max min amax amin var std nanmean "
    "nanmedian maximum minimum add subtract multiply divide isnan isfinite nan_to_num degrees radians identity ravel "
)
"""Functions of numbers that estimators keep as parameters."""
BIT_GENERATORS: Final = frozenset(("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"))
SCIPY: Final = (
    *(
        (f"scipy.sparse.{dash}{kind}", f"{kind}_{form}")
        for kind in ["csr", "csc", "coo", "dia", "lil", "dok", "bsr"]
        for dash in ("", "_")
        for form in ("matrix", "array")
    ),
    ("scipy.interpolate._bsplines", "BSpline"),
    ("scipy.interpolate._interpolate", "interp1d"),
    ("scipy.interpolate.interpolate", "interp1d"),
)
"""Sparse matrices, and the curves that isotonic and spline models keep."""
JOBLIB: Final = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
XGBOOST: Final = "XGBModel XGBClassifier XGBRegressor XGBRanker XGBRFClassifier XGBRFRegressor"
LIGHTGBM: Final = "LGBMModel LGBMClassifier LGBMRegressor LGBMRanker"
TORCH_STORAGES: Final = (
    "FloatStorage DoubleStorage HalfStorage BFloat16Storage ByteStorage CharStorage ShortStorage IntStorage "
    "LongStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage QInt32Storage QUInt8Storage "
    "QUInt4x2Storage QUInt2x4Storage "
)
"""Storage types of torch."""
TORCH_DTYPES: Final = (
    "float32 float64 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu "
    "float4_e2m1fn_x2 uint8 uint16 uint32 uint64 int8 int16 int32 int64 bool complex32 complex64 complex128 qint8 "
    "quint8 qint32 quint4x2 quint2x4 per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric "
    "per_channel_affine_float_qparams "
)
"""Element types and quantisation schemes of torch."""
TORCH_FUNCTIONS: Final = "relu gelu silu tanh sigmoid softmax elu leaky_relu mish"
TORCH_MODULES: Final = {
    "activation": (
        "Threshold ReLU RReLU Hardtanh ReLU6 Sigmoid Hardsigmoid Tanh SiLU Mish Hardswish ELU CELU SELU GLU GELU "
        "Hardshrink LeakyReLU LogSigmoid Softplus Softshrink MultiheadAttention PReLU Softsign Tanhshrink Softmin "
        "Softmax Softmax2d LogSoftmax "
    ),
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
    "channelshuffle": "ChannelShuffle",
    "container": "Sequential ModuleList ModuleDict ParameterList ParameterDict",
    "conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    "distance": "PairwiseDistance CosineSimilarity",
    "dropout": "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
    "linear": "Identity Linear NonDynamicallyQuantizableLinear Bilinear",
    "loss": (
        "L1Loss NLLLoss PoissonNLLLoss GaussianNLLLoss KLDivLoss MSELoss BCELoss BCEWithLogitsLoss "
        "HingeEmbeddingLoss MultiLabelMarginLoss SmoothL1Loss HuberLoss SoftMarginLoss CrossEntropyLoss "
        "MultiLabelSoftMarginLoss CosineEmbeddingLoss MarginRankingLoss MultiMarginLoss TripletMarginLoss CTCLoss "
    ),
    "module": "Module",
    "normalization": "LocalResponseNorm LayerNorm GroupNorm RMSNorm",
    "padding": (
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d "
        "ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d "
        "ZeroPad3d "
    ),
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling": (
        "MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d AvgPool2d AvgPool3d "
        "FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
        "AdaptiveMaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d "
    ),
    "rnn": "RNN LSTM GRU RNNCell LSTMCell GRUCell",
    "sparse": "Embedding EmbeddingBag",
    "transformer": "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer",
    "upsampling": "Upsample UpsamplingNearest2d UpsamplingBilinear2d",
}
"""Layers of torch by the module below ``torch.nn.modules``, for whole models that were pickled."""
